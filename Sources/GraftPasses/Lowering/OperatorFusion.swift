import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// Recognizes operators that exporters decompose: MatMul plus a bias as Gemm or ``FusedMatMul``,
/// x·sigmoid(x) as Swish, Gelu, LayerNormalization, RMSNormalization, a Sum of two as Add.
package enum OperatorFusion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let counts = graph.useCounts()
    let patterns = SpelledOut(graph, producers, counts)
    var removed: Set<Int> = []
    var didChange = false
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      if let whole = try patterns.gelu(node) ?? patterns.layerNormalization(node)
        ?? patterns.rmsNormalization(node)
      {
        // What it was computed of has no readers any more.
        graph.nodes[index] = whole
        didChange = true
      } else if node.is(Add.self) {
        fuseBias(at: index, &graph, producers, counts, &removed)
      } else if node.is(Sum.self), node.inputs.count == 2 {
        graph.nodes[index].become(Add.schema)
        didChange = true
      } else if node.is(Mul.self) {
        fuseSwish(at: index, &graph, producers, counts, &removed)
      }
    }
    graph.removeNodes(at: removed)
    return didChange || !removed.isEmpty
  }

  /// MatMul by constant weights plus a constant row is a Gemm, or has its bias.
  private static func fuseBias(
    at index: Int, _ graph: inout Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int],
    _ removed: inout Set<Int>
  ) {
    let node = graph.nodes[index]
    for (product, bias) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard let product, let bias, counts[product] == 1, let producer = producers[product],
        let row = graph.constants[bias], row.rank == 1
      else { continue }
      let matMul = graph.nodes[producer]
      guard matMul.is(MatMul.self), !removed.contains(producer),
        let rank = graph.rank(matMul.inputs[0]), rank >= 2,
        let weights = graph.constant(matMul.inputs[1]),
        weights.rank == 2, row.shape[0] == weights.shape[1],
        weights.elementType.isFloatingPoint
      else { continue }
      let schema = rank == 2 ? Gemm.schema : FusedMatMul.schema
      graph.nodes[index] = Node(
        name: matMul.name, operatorType: schema.name, domain: schema.domain,
        inputs: [matMul.inputs[0], matMul.inputs[1], bias],
        outputs: node.outputs)
      removed.insert(producer)
      return
    }
  }

  private static func fuseSwish(
    at index: Int, _ graph: inout Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int],
    _ removed: inout Set<Int>
  ) {
    let node = graph.nodes[index]
    for (value, gate) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard let value, let gate, counts[gate] == 1, let producer = producers[gate],
        !removed.contains(producer), graph.nodes[producer].is(Sigmoid.self),
        graph.nodes[producer].inputs[0] == value
      else { continue }
      graph.nodes[index] = Node(
        name: node.name, operatorType: "Swish", inputs: [value], outputs: node.outputs)
      removed.insert(producer)
      return
    }
  }
}
