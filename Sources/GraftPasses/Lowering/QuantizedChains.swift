import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Computes in integers what stands between a DequantizeLinear and a QuantizeLinear: convolutions
/// and matrix products of bytes, sums of two values, pooling, functions of one value (as tables of
/// all bytes), and what only moves elements.
///
/// Sums of products are exact integers, which floats approximate: such a result may be rounded to
/// the other side of a tie that it is very close to, and then differs by one step. All others are
/// the same to the bit. Run it before constants fold.
package enum QuantizedChains: GraphPass {
  /// Whether there may be something to do.
  static func applies(to graph: Graph) -> Bool {
    graph.nodes.contains { $0.is(QuantizeLinear.self) }
      && graph.nodes.contains { $0.is(DequantizeLinear.self) }
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    var rewriter = QuantizedChainRewriter(graph)
    try rewriter.rewrite()
    guard rewriter.didChange else { return false }
    graph = rewriter.graph
    return true
  }
}

/// Looks at the nodes of a graph in order; extensions find the integer forms of their kinds.
struct QuantizedChainRewriter {
  var graph: Graph
  private(set) var didChange = false
  let producers: [ValueID: Int]
  let counts: [ValueID: Int]
  /// What a QuantizeLinear reads.
  private let quantizedValues: Set<ValueID>
  /// The nodes that take the place of the one being looked at.
  var nodes: [Node] = []
  /// Zero points where nodes have none.
  var zeros: [ElementType: ValueID] = [:]

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers()
    counts = graph.useCounts()
    quantizedValues = Set(
      graph.nodes.lazy.filter { $0.is(QuantizeLinear.self) }.compactMap { $0.inputs[0] })
  }

  mutating func rewrite() throws {
    var result: [Node] = []
    result.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      nodes = []
      let isConverted =
        node.is(QuantizeLinear.self) ? try convert(node) : try convertToFloats(node)
      result += isConverted ? nodes : [node]
      if isConverted { didChange = true }
    }
    if didChange { graph.nodes = result }
  }

  // MARK: Results of bytes

  /// Finds the integer form of a QuantizeLinear with what is before it.
  private mutating func convert(_ node: Node) throws -> Bool {
    guard let input = node.inputs[0], let output = node.outputs[0],
      graph.elementType(input) == .float,
      let target = try quantization(node, graph.elementType(output))
    else { return false }
    if try dequantized(input) != nil { return try tabulate(input, output, target, node) }
    guard counts[input] == 1, let operation = producer(input), operation.bodies.isEmpty else {
      return false
    }
    if try compute(operation, output, target, nil) { return true }
    // An activation before it only bounds the bytes.
    if let source = operation.inputs.first ?? nil, counts[source] == 1,
      let bounded = producer(source), bounded.bodies.isEmpty,
      let bounds = try bounds(operation, target),
      try compute(bounded, output, target, bounds)
    {
      return true
    }
    return try tabulate(input, output, target, node)
  }

  /// The lowest and highest bytes after a Relu or Clip.
  private func bounds(_ node: Node, _ target: TensorQuantization) throws -> [Int]? {
    let range = target.elementType.integerRange
    if node.is(Relu.self) { return [target.byte(for: 0), Int(range.upperBound)] }
    guard node.is(Clip.self) else { return nil }
    let context = graph.inferenceContext(of: node)
    guard let low = try context.constantScalar(1, default: -.infinity),
      let high = try context.constantScalar(2, default: .infinity), low <= high
    else { return nil }
    return [target.byte(for: low), target.byte(for: high)]
  }

  private mutating func compute(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization, _ bounds: [Int]?
  ) throws -> Bool {
    guard node.outputs.dropFirst().allSatisfy({ $0 == nil || counts[$0!] == nil }) else {
      return false
    }
    var attributes: [ByteString: Attribute] = [:]
    if let bounds { attributes["bounds"] = .ints(bounds) }
    if node.is(Conv.self) { return try convolve(node, output, target, attributes) }
    if node.is(MatMul.self) || node.is(Gemm.self) {
      return try multiply(node, output, target, attributes)
    }
    guard let type = OperatorCatalog.type(of: node) else { return false }
    if QuantizedBinary.has(type), node.inputs.count == 2 {
      return try combine(node, output, target, attributes)
    }
    // The others do not apply bounds.
    guard bounds == nil else { return false }
    if node.is(MaxPool.self) || type.onlyMoves || type.onlyReshapes {
      return try move(node, output, target)
    }
    if node.is(Concat.self) { return try concatenate(node, output, target) }
    if node.is(AveragePool.self) || node.is(GlobalAveragePool.self) {
      return try average(node, output, target)
    }
    return false
  }

  // MARK: Results of floats

  /// Products of bytes with constant weights, whose results stay floats.
  private mutating func convertToFloats(_ node: Node) throws -> Bool {
    guard node.is(MatMul.self) || node.is(Gemm.self), let output = node.outputs[0],
      graph.elementType(output) == .float
    else { return false }
    // A QuantizeLinear after it takes it in.
    guard counts[output] != 1 || !quantizedValues.contains(output) else { return false }
    return try multiply(node, output, nil, [:])
  }
}
