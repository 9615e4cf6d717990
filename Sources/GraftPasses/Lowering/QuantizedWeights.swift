import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Keeps large weights in the few bits in which the model stores them: products widen them part by
/// part (MatMulQuantizedWeights), and rows of embedding tables are widened after they were looked
/// up. Constant folding would make floats of them, which take four or eight times the memory.
///
/// Run it before constants fold.
package enum QuantizedWeights: GraphPass {
  /// Smaller weights are widened once.
  private static let smallestCount = 1 << 15

  /// Whether there are weights to keep.
  static func applies(to graph: Graph) -> Bool {
    graph.constants.values.contains {
      MatMulQuantizedWeights.weightTypes.contains($0.elementType)
        && $0.elementCount >= smallestCount
    }
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    var packed: [ValueID: ValueID] = [:]
    var nodes: [Node] = []
    var didChange = false
    for node in graph.nodes {
      if let product = try product(node, &graph, producers, &packed) {
        nodes.append(product)
      } else if let lookup = try lookup(node, &graph, producers) {
        nodes += lookup
      } else {
        nodes.append(node)
        continue
      }
      didChange = true
    }
    guard didChange else { return false }
    graph.nodes = nodes
    try fuseAddends(&graph)
    return true
  }

  private static func constant(
    _ id: ValueID?, _ graph: Graph, _ producers: [ValueID: Int]
  ) throws -> QuantizedConstant? {
    guard let constant = try QuantizedConstant(id, in: graph, producers),
      constant.tensor.elementCount >= smallestCount
    else { return nil }
    return constant
  }

  // MARK: Products

  /// The product that takes the place of a MatMul or Gemm.
  private static func product(
    _ node: Node, _ graph: inout Graph, _ producers: [ValueID: Int],
    _ packed: inout [ValueID: ValueID]
  ) throws -> Node? {
    var isTransposed = false
    var addend: ValueID?
    if let gemm = try node.operation(as: Gemm.self)?.attributes {
      guard !gemm.isLeftTransposed, gemm.alpha == 1 else { return nil }
      isTransposed = gemm.isRightTransposed
      if node.inputs.count > 2, let input = node.inputs[2] {
        guard gemm.beta == 1, graph.rank(input) == 1,
          graph[input].type?.tensor?.shape?.first != 1
        else { return nil }
        addend = input
      }
    } else if !node.is(MatMul.self) {
      return nil
    }
    guard let type = graph.elementType(node.inputs[0]),
      [.float, .float16, .bfloat16].contains(type), graph.rank(node.inputs[0]) ?? 0 > 0,
      let weights = try constant(node.inputs[1], graph, producers)
    else { return nil }
    if weights.isTransposed { isTransposed.toggle() }
    var attributes = weights.attributes
    if isTransposed { attributes["transB"] = .int(1) }
    var integers = weights.value
    let elementType = weights.tensor.elementType
    if elementType == .int4 || elementType == .uint4, weights.tensor.shape[1] % 2 == 0 {
      attributes["packed"] = .int(Int(elementType.rawValue))
      if let known = packed[weights.value] {
        integers = known
      } else {
        integers = graph.addConstant(
          name: "\(graph[weights.value].name)_packed", try weights.tensor.packedPairs())
        packed[weights.value] = integers
      }
    }
    return Node(
      name: node.name, operatorType: "MatMulQuantizedWeights", domain: "graft",
      inputs: [
        node.inputs[0], integers, graph.addConstant(weights.scale),
        weights.zeroPoint.map { graph.addConstant($0) }, addend,
      ],
      outputs: [node.outputs[0]], attributes: attributes)
  }

  /// Lets products add the constant rows that are added to them.
  private static func fuseAddends(_ graph: inout Graph) throws {
    let producers = graph.producers()
    let counts = graph.useCounts()
    var removed: Set<Int> = []
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard node.is(Add.self), node.inputs.count == 2 else { continue }
      for (result, other) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
        guard let result, let other, counts[result] == 1, let producer = producers[result],
          graph.nodes[producer].is(MatMulQuantizedWeights.self), !removed.contains(producer),
          graph.nodes[producer].inputs[4] == nil, let row = graph.constants[other],
          row.rank == 1, row.elementCount > 1,
          graph[result].type?.tensor?.shape?.last == .known(row.elementCount)
        else { continue }
        graph.nodes[index] = graph.nodes[producer]
        graph.nodes[index].inputs[4] = other
        graph.nodes[index].outputs = node.outputs
        removed.insert(producer)
        break
      }
    }
    graph.removeNodes(at: removed)
  }

  // MARK: Lookups

  /// The nodes that take the place of a Gather of rows: they look up integers, and widen those.
  private static func lookup(
    _ node: Node, _ graph: inout Graph, _ producers: [ValueID: Int]
  ) throws -> [Node]? {
    guard let gather = try node.operation(as: Gather.self), gather.axis == 0,
      let output = node.outputs[0], let type = graph[output].type?.tensor,
      let table = try constant(node.inputs[0], graph, producers), !table.isTransposed,
      table.blockSize == 0 || table.axis == 1
    else { return nil }
    var nodes: [Node] = []
    func rows(of constant: ValueID, _ elementType: ElementType, last: Dimension?) -> ValueID {
      var shape = type.shape
      if let last, shape != nil { shape![shape!.count - 1] = last }
      let result = graph.addValue(type: .tensor(TensorType(elementType, shape)))
      nodes.append(
        Node(
          name: node.name, operatorType: "Gather", inputs: [constant, node.inputs[1]],
          outputs: [result]))
      return result
    }
    var attributes: [ByteString: Attribute] = [
      "axis": .int(-1), "output_dtype": .int(Int(type.elementType.rawValue)),
    ]
    let integers = rows(of: table.value, table.tensor.elementType, last: nil)
    let isByRow = table.scale.elementCount > 1 && (table.blockSize > 0 || table.axis == 0)
    func parameter(_ tensor: Tensor) throws -> ValueID {
      guard isByRow else { return graph.addConstant(tensor) }
      // One for each row, or for each block of a row, of the table.
      let matrix = try tensor.reshaped(
        table.blockSize > 0 ? tensor.shape : [tensor.elementCount, 1])
      return rows(
        of: graph.addConstant(matrix), tensor.elementType, last: .known(matrix.shape[1]))
    }
    if isByRow {
      attributes["block_size"] = .int(
        table.blockSize > 0 ? table.blockSize : table.tensor.shape[1])
    }
    let inputs = [
      integers, try parameter(table.scale), try table.zeroPoint.map { try parameter($0) },
    ]
    nodes.append(
      Node(
        name: node.name, operatorType: "DequantizeLinear", inputs: inputs, outputs: [output],
        attributes: attributes))
    return nodes
  }
}

extension Tensor {
  /// Integers of 4 bits, two of them in each byte, the first one in the low bits.
  fileprivate func packedPairs() throws -> Tensor {
    let packed = try Tensor(
      zeros: .uint8, shape: shape.dropLast() + [shape[shape.count - 1] / 2])
    withUnsafeBytes { source in
      packed.withUnsafeMutableBytes { target in
        for index in target.indices {
          target[index] = source[2 * index] & 15 | source[2 * index + 1] << 4
        }
      }
    }
    return packed
  }
}
