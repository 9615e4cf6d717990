import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Lets a Conv, Gemm or MatMul apply the next operators before storing its results: an activation,
/// and for Conv and MatMul by weights a residual that is added.
package enum ActivationFusion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let counts = graph.useCounts()
    var removed: Set<Int> = []
    for index in graph.nodes.indices where !removed.contains(index) {
      if try fuseActivation(at: index, &graph, producers, counts, &removed) { continue }
      try fuseResidual(at: index, &graph, producers, counts, &removed)
    }
    graph.removeNodes(at: removed)
    return !removed.isEmpty
  }

  /// Replaces an activation by the Conv or Gemm before it with that activation.
  private static func fuseActivation(
    at index: Int, _ graph: inout Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int],
    _ removed: inout Set<Int>
  ) throws -> Bool {
    let node = graph.nodes[index]
    guard let input = node.inputs.first ?? nil, counts[input] == 1,
      let producer = producers[input], !removed.contains(producer),
      let form = OperatorCatalog.type(of: graph.nodes[producer])?.fusedForm,
      !graph.nodes[producer].has(.activation),
      graph.elementType(input)?.isFloatingPoint == true,
      OperatorCatalog.type(of: node) != nil,
      let activation = try OperatorCatalog.make(node).fusedActivation(
        graph.inferenceContext(of: node))
    else { return false }
    var fused = graph.nodes[producer]
    fused.become(form)
    fused.set(.activation, node.operatorType)
    if !activation.parameters.isEmpty {
      fused.set(.activationParameters, activation.parameters)
    }
    fused.outputs = [node.outputs[0]]
    graph.nodes[index] = fused
    removed.insert(producer)
    return true
  }

  /// Replaces an Add of two values with equal shapes by the Conv or MatMul that computes one of
  /// them.
  private static func fuseResidual(
    at index: Int, _ graph: inout Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int],
    _ removed: inout Set<Int>
  ) throws {
    let node = graph.nodes[index]
    guard node.is(Add.self), node.inputs.count == 2, let left = node.inputs[0],
      let right = node.inputs[1], left != right, graph.haveSameShape(left, right)
    else { return }
    // The later one of two nodes, whose input has to wait for the other anyway.
    let candidates = [(left, right), (right, left)].compactMap { made, other -> (Int, ValueID)? in
      guard counts[made] == 1, let producer = producers[made], !removed.contains(producer),
        mayAddResidual(graph.nodes[producer], graph),
        graph.elementType(made)?.isFloatingPoint == true
      else { return nil }
      return (producer, other)
    }
    guard let (producer, residual) = candidates.max(by: { $0.0 < $1.0 }) else { return }
    var fused = graph.nodes[producer]
    fused.become(fused.is(Conv.self) ? FusedConv.schema : ResidualMatMul.schema)
    while fused.inputs.count < 3 { fused.inputs.append(nil) }
    fused.inputs.append(residual)
    fused.outputs = [node.outputs[0]]
    graph.nodes[index] = fused
    removed.insert(producer)
  }
}

/// Whether the kernel of a node can add a residual.
private func mayAddResidual(_ node: Node, _ graph: Graph) -> Bool {
  if node.is(Conv.self) { return true }
  guard node.is(MatMul.self) || node.is(FusedMatMul.self) && !node.has(.activation) else {
    return false
  }
  return graph.constant(node.inputs[1])?.rank == 2
}

extension Graph {
  /// Whether two values are known to have the same shape.
  func haveSameShape(_ left: ValueID, _ right: ValueID) -> Bool {
    guard let leftShape = self[left].type?.tensor?.shape,
      let rightShape = self[right].type?.tensor?.shape
    else { return false }
    return leftShape == rightShape && !leftShape.contains(.unknown)
  }

  /// What inference of a node sees before the graph runs.
  func inferenceContext(of node: Node) -> InferenceContext {
    inferenceContext(of: node) { constants[$0] }
  }
}
