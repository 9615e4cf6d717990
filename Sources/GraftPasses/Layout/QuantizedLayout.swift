import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Keeps images of bytes with channels last, [N, …, C], from one convolution to the next: that is
/// how their kernels read them. It starts at convolutions, and continues through pooling, sums,
/// tables and Concat.
///
/// Run it near the end, and once: few other passes know these operators.
package enum QuantizedLayout: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { $0.is(QuantizedConv.self) || $0.is(QLinearConv.self) })
    else { return false }
    var rewriter = QuantizedLayoutRewriter(graph)
    try rewriter.rewrite()
    graph = rewriter.graph
    return true
  }
}

/// Walks a graph in order and tracks values with channels last.
private struct QuantizedLayoutRewriter {
  var graph: Graph
  private var nodes: [Node] = []
  /// The form with channels last of a value.
  private var last: [ValueID: ValueID] = [:]
  /// Values that do not exist with channels first, and their ranks.
  private var onlyLast: [ValueID: Int] = [:]
  private var replacements: [ValueID: ValueID] = [:]

  init(_ graph: Graph) { self.graph = graph }

  mutating func rewrite() throws {
    for original in graph.nodes {
      var node = original
      for (position, input) in node.inputs.enumerated() {
        if let input, let replacement = replacements[input] { node.inputs[position] = replacement }
      }
      if try convert(node) { continue }
      for case let input? in node.inputs { requireFirst(input) }
      for body in node.bodies {
        for outer in body.captures.values { requireFirst(outer) }
      }
      nodes.append(node)
    }
    for output in graph.outputs { requireFirst(output) }
    for update in graph.updates { requireFirst(update.newValue) }
    graph.nodes = nodes
    graph.replaceUses(replacements)
  }

  private func isBytes(_ id: ValueID?) -> Bool {
    graph.elementType(id).map { $0 == .int8 || $0 == .uint8 } ?? false
  }

  /// Appends the form of a node with channels last; false if it stays as it is.
  private mutating func convert(_ node: Node) throws -> Bool {
    guard let input = node.inputs.first ?? nil, let output = node.outputs.first ?? nil,
      isBytes(output)
    else { return false }
    if node.is(QuantizedConv.self) || node.is(QLinearConv.self) {
      return try convertConvolution(node, input, output)
    }
    guard let rank = graph.rank(output), rank >= 3 else { return false }
    if node.is(Transpose.self) { return try convertTranspose(node, input, output, rank) }
    if node.is(QuantizedLookup.self) {
      guard let form = last[input] else { return false }
      append(node, inputs: [form], output, rank)
      return true
    }
    if node.is(QuantizedBinary.self) {
      guard let other = node.inputs[1], last[input] != nil || last[other] != nil,
        graph.rank(input) == rank, graph.rank(other) == rank
      else { return false }
      append(node, inputs: [makeLast(input, rank), makeLast(other, rank)], output, rank)
      return true
    }
    if node.is(MaxPool.self) {
      guard let form = last[input], node.outputs.count == 1 || node.outputs[1] == nil else {
        return false
      }
      var pool = node
      pool.become(QuantizedMaxPool.schema)
      append(pool, inputs: [form], output, rank)
      return true
    }
    if node.is(Concat.self) {
      let forms = node.inputs.compactMap { $0.flatMap { last[$0] } }
      guard let axis = try AttributeReader(node.attributes).int("axis"),
        axis == 1 || axis + rank == 1,
        forms.count == node.inputs.count
      else { return false }
      var joined = node
      joined.attributes["axis"] = .int(rank - 1)
      append(joined, inputs: forms, output, rank)
      return true
    }
    return false
  }

  private mutating func convertConvolution(
    _ node: Node, _ image: ValueID, _ output: ValueID
  ) throws -> Bool {
    let attributes = AttributeReader(node.attributes)
    let isPlanar =
      try node.is(QLinearConv.self)
      || attributes.flag("planar_input") && attributes.flag("planar_output")
    guard isPlanar, let rank = graph.rank(node.inputs[3]), (3...5).contains(rank) else {
      return false
    }
    var convolution = node
    convolution.become(QuantizedConv.schema)
    convolution.attributes["planar_output"] = nil
    convolution.attributes["planar_input"] = last[image] == nil ? .int(1) : nil
    if last[image] == nil { requireFirst(image) }
    append(convolution, inputs: [last[image] ?? image], output, rank)
    return true
  }

  /// A change of layout is undone, or waits until somebody needs its result.
  private mutating func convertTranspose(
    _ node: Node, _ input: ValueID, _ output: ValueID, _ rank: Int
  ) throws -> Bool {
    let permutation = try node.operation(as: Transpose.self)?.permutation
    if permutation == Array(0..<rank).channelsFirst {
      requireFirst(input)
      last[output] = input
      onlyLast[output] = rank
      return true
    }
    guard permutation == Array(0..<rank).channelsLast else { return false }
    if let form = last[input] {
      if graph.outputs.contains(output) {
        nodes.append(Node(operatorType: "Identity", inputs: [form], outputs: [output]))
      } else {
        replacements[output] = form
      }
      return true
    }
    last[input] = output
    return false
  }

  /// Appends a node with these first inputs, whose result has channels last.
  private mutating func append(_ node: Node, inputs: [ValueID], _ output: ValueID, _ rank: Int) {
    var node = node
    node.inputs.replaceSubrange(0..<inputs.count, with: inputs)
    let form = makeForm(of: output)
    node.outputs = [form]
    nodes.append(node)
    last[output] = form
    onlyLast[output] = rank
  }

  private mutating func makeForm(of value: ValueID) -> ValueID {
    let type = graph[value].type?.tensor
    return graph.addValue(
      type: type.map { .tensor(TensorType($0.elementType, $0.shape?.channelsLast)) })
  }

  /// The form of a value with channels last, converted if necessary.
  private mutating func makeLast(_ value: ValueID, _ rank: Int) -> ValueID {
    if let form = last[value] { return form }
    let form = makeForm(of: value)
    nodes.append(.channelsLast(value, to: form, rank: rank))
    last[value] = form
    return form
  }

  /// Converts a value that only exists with channels last.
  private mutating func requireFirst(_ value: ValueID) {
    guard let rank = onlyLast.removeValue(forKey: value), let form = last[value] else { return }
    nodes.append(.channelsFirst(form, to: value, rank: rank))
  }
}
