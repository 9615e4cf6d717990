import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Puts the nodes of a body in place of the node that would run it: the branch of an If whose
/// condition is constant, and the trips of a Loop that always makes the same few.
package enum BodyInlining: GraphPass {
  /// The nodes that several trips of one Loop may become.
  private static let tripNodeLimit = 64
  /// The nodes that a graph may gain in a run of the pass.
  private static let addedNodeLimit = 1024

  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { !$0.bodies.isEmpty }) else { return false }
    var inliner = Inliner(graph)
    for node in graph.nodes {
      let mayGrow = inliner.nodes.count < graph.nodes.count + addedNodeLimit
      guard mayGrow, try inline(node, &inliner) else {
        inliner.nodes.append(node)
        continue
      }
    }
    guard !inliner.replacements.isEmpty else { return false }
    graph = inliner.finish()
    return true
  }

  /// - Returns: false if the node has to run its bodies
  private static func inline(_ node: Node, _ inliner: inout Inliner) throws -> Bool {
    if node.is(If.self) {
      guard let tensor = inliner.constant(node.inputs[0]), let condition = tensor.singleFlag,
        case .graph(let body)? = node.attributes[If.branches[condition ? 0 : 1]]
      else { return false }
      inliner.replace(node.outputs, with: inliner.append(body, inputs: []))
      return true
    }
    return try node.is(Loop.self) && inlineLoop(node, &inliner)
  }

  private static func inlineLoop(_ node: Node, _ inliner: inout Inliner) throws -> Bool {
    guard case .graph(let body)? = node.attributes["body"], let count = node.inputs.first ?? nil,
      let trips = try inliner.constant(count)?.integers().first, trips >= 1,
      body.inputs.count >= 2, body.inputs.count == max(2, node.inputs.count),
      node.inputs.dropFirst(2).allSatisfy({ $0 != nil })
    else { return false }
    let condition = node.inputs.count > 1 ? node.inputs[1] : nil
    if let condition {
      guard inliner.constant(condition)?.singleFlag == true else { return false }
    }
    if trips > 1 {
      let (size, overflow) = body.nodeCount.multipliedReportingOverflow(by: trips)
      guard !overflow, size <= tripNodeLimit, trips <= tripNodeLimit,
        condition == nil || body.keepsCondition, body.isDeterministic
      else { return false }
    }
    let carriedCount = body.inputs.count - 2
    let scanCount = body.outputs.count - 1 - carriedCount
    guard scanCount >= 0 else { return false }
    func shape(_ input: Int) -> Shape {
      body[body.inputs[input]].type?.tensor?.shape?.count == 1 ? [1] : []
    }
    var carried = node.inputs.dropFirst(2).map { $0 }
    var scans = [[ValueID]](repeating: [], count: scanCount)
    let isTrue = inliner.addConstant(try Tensor([true], shape: shape(1)))
    for trip in 0..<trips {
      let counter = inliner.addConstant(try Tensor([Int64(trip)], shape: shape(0)))
      let outputs = inliner.append(body, inputs: [counter, isTrue] + carried)
      carried = outputs[1..<(1 + carriedCount)].map { $0 }
      for index in 0..<scanCount { scans[index].append(outputs[1 + carriedCount + index]) }
    }
    var results = carried.compactMap { $0 }
    for (index, parts) in scans.enumerated() {
      let output = carriedCount + index
      guard output < node.outputs.count, node.outputs[output] != nil else { continue }
      let axis = inliner.addConstant(try Tensor([Int64(0)], shape: [1]))
      let rows = parts.map { inliner.add("Unsqueeze", [$0, axis]) }
      results += [rows.count == 1 ? rows[0] : inliner.add("Concat", rows, ["axis": .int(0)])]
    }
    // Outputs without readers have no result.
    let read = node.outputs.enumerated().filter { $0 < carriedCount || $1 != nil }.map(\.element)
    inliner.replace(read, with: results)
    return true
  }
}

/// A graph under reconstruction, and the nodes that take the place of others.
private struct Inliner {
  private var graph: Graph
  var nodes: [Node] = []
  private(set) var replacements: [ValueID: ValueID] = [:]

  init(_ graph: Graph) { self.graph = graph }

  func constant(_ id: ValueID?) -> Tensor? {
    id.flatMap { graph.constants[replacements[$0] ?? $0] }
  }

  mutating func addConstant(_ tensor: Tensor) -> ValueID { graph.addConstant(tensor) }

  mutating func add(
    _ type: String, _ inputs: [ValueID?], _ attributes: [ByteString: Attribute] = [:]
  ) -> ValueID {
    let output = graph.addValue()
    nodes.append(
      Node(operatorType: type, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  mutating func replace(_ outputs: [ValueID?], with results: [ValueID]) {
    for (output, result) in zip(outputs, results) {
      if let output { replacements[output] = result }
    }
  }

  /// Appends the nodes of a body.
  ///
  /// - Returns: its outputs as values of the graph
  mutating func append(_ body: Graph, inputs: [ValueID?]) -> [ValueID] {
    let inlined = graph.nodes(of: body, inputs: inputs)
    nodes += inlined.nodes
    return inlined.outputs
  }

  func finish() -> Graph {
    var graph = graph
    graph.nodes = nodes
    graph.replaceUses(replacements)
    return graph
  }
}

extension Tensor {
  /// The Boolean of a tensor that holds one; `nil` for any other.
  var singleFlag: Bool? {
    guard elementType == .bool, elementCount == 1 else { return nil }
    return baseAddress.load(as: UInt8.self) != 0
  }
}

extension Graph {
  /// The number of nodes, with those in bodies.
  var nodeCount: Int { nodes.reduce(0) { $0 + 1 + $1.bodies.reduce(0) { $0 + $1.nodeCount } } }

  /// Whether all nodes give equal outputs for equal inputs.
  var isDeterministic: Bool {
    nodes.allSatisfy { node in
      guard let operation = try? OperatorCatalog.make(node) else { return false }
      return operation.isDeterministic && node.bodies.allSatisfy(\.isDeterministic)
    }
  }

  /// The value that another one is a copy of, through Identity nodes.
  func origin(of id: ValueID, _ producers: [ValueID: Int]) -> ValueID {
    var origin = id
    while let index = producers[origin], nodes[index].is(Identity.self),
      let input = nodes[index].inputs.first ?? nil
    {
      origin = input
    }
    return origin
  }

  /// Whether the body of a Loop always goes on after a trip, if it once began.
  var keepsCondition: Bool {
    guard let first = outputs.first else { return false }
    let origin = origin(of: first, producers())
    return origin == inputs[1] || constants[origin]?.singleFlag == true
  }
}
