import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// The backward Scan of a Loop or a Scan.
struct TripGradients {
  /// The node, by index in the graph.
  private let index: Int
  private let node: Node
  private let body: Graph
  private let isLoop: Bool
  private let outputGradients: [ValueID?]
  /// The node's inputs that are initial values of carried ones.
  private let firstCarried: Int
  private let carriedCount: Int
  private let scanInputCount: Int
  private let scanOutputCount: Int
  /// The body's outputs before carried values: the condition of a Loop.
  private let outputOffset: Int
  /// Captured values of the enclosing graph that need gradients.
  private let captured: [ValueID]
  private let needed: Set<ValueID>

  init(
    nodeAt index: Int, in graph: Graph, _ outputGradients: [ValueID?], needed: Set<ValueID>
  ) throws {
    self.index = index
    node = graph.nodes[index]
    guard case .graph(let body)? = node.attributes["body"] else {
      throw GraftError.badData("attribute 'body' is missing")
    }
    self.body = body
    self.outputGradients = outputGradients
    self.needed = needed
    isLoop = node.is(Loop.self)
    firstCarried = isLoop ? 2 : 0
    if isLoop {
      scanInputCount = 0
    } else {
      let count = try AttributeReader(node.attributes).int("num_scan_inputs") ?? 0
      scanInputCount = max(0, min(count, body.inputs.count))
    }
    carriedCount = body.inputs.count - firstCarried - scanInputCount
    outputOffset = isLoop ? 1 : 0
    scanOutputCount = body.outputs.count - outputOffset - carriedCount
    guard carriedCount >= 0, scanOutputCount >= 0,
      max(firstCarried, node.inputs.count) == firstCarried + carriedCount + scanInputCount
    else { throw GraftError.badData("does not fit its body") }
    captured = try Set(body.captures.values).sorted().filter {
      try needed.contains($0) && graph.isDifferentiableCapture($0)
    }
  }

  /// The carried values that gradients flow through.
  private func differentiated(in graph: Graph) throws -> [Int] {
    try (0..<carriedCount).filter { position in
      let input = body.inputs[firstCarried + position]
      guard let type = body[input].type else { return true }
      guard type.tensor != nil else {
        throw GraftError.unsupported("a loop that carries \(type) has no gradient")
      }
      return body.isDifferentiable(input)
    }
  }

  mutating func append(to graph: inout Graph) throws -> [(ValueID, ValueID)] {
    // Each trip is computed again.
    guard !body.drawsUnseeded else {
      throw GraftError.unsupported(
        "a loop that draws random numbers without a seed has no gradient",
        hint: "Give its random nodes the attribute 'seed'")
    }
    let carried = try differentiated(in: graph)
    let saved = try keepTrips(&graph)
    var backward = BackwardBody(self, carried: carried)
    let differentiatedInputs = (0..<scanInputCount).filter { position in
      let outer = node.inputs[firstCarried + carriedCount + position]
      return outer.map { needed.contains($0) && graph.isDifferentiable($0) } ?? false
    }
    let gradientBody = try backward.graph(
      graph, saved: saved, outputGradients: scanGradients, inputs: differentiatedInputs)

    // States: gradients of carried values, and of captured ones.
    var inputs: [ValueID?] = []
    for position in carried {
      if position < outputGradients.count, let gradient = outputGradients[position] {
        inputs.append(gradient)
      } else {
        inputs.append(try zeros(ofCarried: position, &graph))
      }
    }
    for outer in captured { inputs.append(try graph.appendZeros(like: outer)) }
    // What comes into each trip, scanned in reverse.
    var axes: [Int] = []
    var directions: [Int] = []
    for value in saved.all {
      inputs.append(value)
      axes.append(0)
      directions.append(1)
    }
    for position in 0..<scanInputCount {
      inputs.append(node.inputs[firstCarried + carriedCount + position])
      axes.append(try list("scan_input_axes", position))
      directions.append(1 - (try list("scan_input_directions", position)))
    }
    for (position, gradient) in scanGradients {
      inputs.append(gradient)
      axes.append(try list("scan_output_axes", position))
      directions.append(1 - (try list("scan_output_directions", position)))
    }
    let outputAxes = try differentiatedInputs.map { try list("scan_input_axes", $0) }
    let outputDirections = try differentiatedInputs.map {
      1 - (try list("scan_input_directions", $0))
    }
    let stateCount = carried.count + captured.count
    let outputs = graph.addNode(
      "Scan", inputs,
      attributes: [
        "body": .graph(gradientBody), "num_scan_inputs": .int(inputs.count - stateCount),
        "scan_input_axes": .ints(axes), "scan_input_directions": .ints(directions),
        "scan_output_axes": .ints(outputAxes),
        "scan_output_directions": .ints(outputDirections),
      ], outputCount: stateCount + differentiatedInputs.count)
    var gradients: [(ValueID, ValueID)] = []
    for (place, position) in carried.enumerated() {
      if let input = node.inputs[firstCarried + position] {
        gradients.append((input, outputs[place]))
      }
    }
    for (place, outer) in captured.enumerated() {
      gradients.append((outer, outputs[carried.count + place]))
    }
    for (place, position) in differentiatedInputs.enumerated() {
      if let input = node.inputs[firstCarried + carriedCount + position] {
        gradients.append((input, outputs[stateCount + place]))
      }
    }
    return gradients
  }

  /// The gradients of scan outputs, by position.
  private var scanGradients: [(Int, ValueID)] {
    (0..<scanOutputCount).compactMap { position in
      let output = carriedCount + position
      guard output < outputGradients.count, let gradient = outputGradients[output] else {
        return nil
      }
      return (position, gradient)
    }
  }

  /// An element of an attribute of a Scan; 0 for a Loop, which scans along axis 0.
  private func list(_ name: String, _ position: Int) throws -> Int {
    guard !isLoop, let values = try AttributeReader(node.attributes).ints(name) else { return 0 }
    return position < values.count ? values[position] : 0
  }

  private func zeros(ofCarried position: Int, _ graph: inout Graph) throws -> ValueID {
    let output = position < node.outputs.count ? node.outputs[position] : nil
    guard let value = output ?? node.inputs[firstCarried + position] else {
      throw GraftError.badData("carried value \(position) is missing")
    }
    return try graph.appendZeros(like: value)
  }

  /// What the forward node keeps of its trips, as `[trips, …]`.
  struct Saved {
    /// The number of the trip, for a Loop.
    var counter: ValueID?
    /// The carried values as they come in.
    var carried: [ValueID] = []

    var all: [ValueID] { (counter.map { [$0] } ?? []) + carried }
  }

  /// Makes the forward node give out what comes into each trip.
  private func keepTrips(_ graph: inout Graph) throws -> Saved {
    var forward = node
    var kept = body
    // Outputs that nobody read have places before the new ones.
    while forward.outputs.count < carriedCount + scanOutputCount { forward.outputs.append(nil) }
    var saved = Saved()
    func keep(_ input: ValueID) -> ValueID {
      // A node computes the output, since one value may be several outputs.
      kept.outputs.append(kept.addNode("Identity", [input]))
      kept[kept.outputs.last!].type = kept[input].type
      let output = graph.addValue(name: "\(body[input].name)/trips")
      forward.outputs.append(output)
      return output
    }
    if isLoop { saved.counter = keep(body.inputs[0]) }
    for position in 0..<carriedCount {
      saved.carried.append(keep(body.inputs[firstCarried + position]))
    }
    let added = saved.all.count
    for (name, filler) in [("scan_output_axes", 0), ("scan_output_directions", 0)] where !isLoop {
      guard let values = try AttributeReader(node.attributes).ints(name) else { continue }
      forward.attributes[ByteString(name)] = .ints(
        values + Array(repeating: filler, count: added))
    }
    forward.attributes["body"] = .graph(kept)
    graph.nodes[index] = forward
    try graph.inferTypes(ofNodeAt: index)
    return saved
  }

  /// The body of the backward Scan.
  private struct BackwardBody {
    let trips: TripGradients
    let carried: [Int]

    init(_ trips: TripGradients, carried: [Int]) {
      self.trips = trips
      self.carried = carried
    }

    /// - Parameters:
    ///   - saved: what the forward node keeps, which decides about inputs
    ///   - outputGradients: the scan outputs that have gradients, by position
    ///   - inputs: the scan inputs that need gradients, by position
    mutating func graph(
      _ outer: Graph, saved: Saved, outputGradients: [(Int, ValueID)], inputs: [Int]
    ) throws -> Graph {
      let body = trips.body
      var graph = body
      graph.name = "\(body.name)/gradient"
      graph.inputs = []
      func addInput(_ name: String, like value: ValueID) -> ValueID {
        let id = graph.addValue(name: name, type: body[value].type)
        graph.inputs.append(id)
        return id
      }
      var seeds: [(value: ValueID, gradient: ValueID)] = []
      for position in carried {
        let output = body.outputs[trips.outputOffset + position]
        seeds.append((output, addInput("\(body[output].name)/gradient", like: output)))
      }
      var inner: [[ValueID]] = []
      for value in trips.captured { inner.append(graph.allCaptures(value, of: outer)) }
      var sums: [ValueID] = []
      for value in inner.map({ $0[0] }) {
        sums.append(
          graph.addValue(name: "\(graph[value].name)/gradient", type: graph[value].type))
      }
      graph.inputs += sums
      if saved.counter != nil { graph.inputs.append(body.inputs[0]) }
      for position in 0..<trips.carriedCount {
        graph.inputs.append(body.inputs[trips.firstCarried + position])
      }
      for position in 0..<trips.scanInputCount {
        graph.inputs.append(body.inputs[trips.firstCarried + trips.carriedCount + position])
      }
      for (position, _) in outputGradients {
        let output = body.outputs[trips.outputOffset + trips.carriedCount + position]
        seeds.append((output, addInput("\(body[output].name)/gradient", like: output)))
      }
      if trips.isLoop {
        // A trip that ran had a condition that held.
        let rank = body[body.inputs[1]].type?.tensor?.shape?.count ?? 0
        graph.constants[body.inputs[1]] = try Tensor([true], shape: rank == 1 ? [1] : [])
      }
      let states = carried.map { body.inputs[trips.firstCarried + $0] }
      let slices = inputs.map { body.inputs[trips.firstCarried + trips.carriedCount + $0] }
      let gradients = try GradientPass.append(
        to: &graph, seeds: seeds, targets: states + inner.joined() + slices)
      graph.outputs = try states.map { try gradients[$0] ?? graph.appendZeros(like: $0) }
      for (values, sum) in zip(inner, sums) {
        let parts = values.compactMap { gradients[$0] }
        graph.outputs.append(graph.appendSum([sum] + parts) ?? sum)
      }
      graph.outputs += try slices.map { try gradients[$0] ?? graph.appendZeros(like: $0) }
      return graph
    }
  }
}
