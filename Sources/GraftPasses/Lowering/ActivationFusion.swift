import GraftFiles
import GraftTensor
import GraftExecution
import GraftGraph

/// Lets a Conv or Gemm apply the next operators before storing its results: an activation, and for
/// Conv a residual that is added before it.
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
    guard let activation = try Activation(node, in: graph), let input = node.inputs[0],
      counts[input] == 1, let producer = producers[input], !removed.contains(producer),
      let fusedType = fusedType(of: graph.nodes[producer]),
      graph.nodes[producer].attributes["activation"] == nil,
      graph.elementType(input)?.isFloatingPoint == true
    else { return false }
    var fused = graph.nodes[producer]
    fused.operatorType = fusedType
    fused.domain = "graft"
    fused.attributes["activation"] = .string(activation.name)
    if !activation.parameters.isEmpty {
      fused.attributes["activation_params"] = .floats(activation.parameters)
    }
    fused.outputs = [node.outputs[0]]
    graph.nodes[index] = fused
    removed.insert(producer)
    return true
  }

  /// Replaces an Add of two values with equal shapes by the Conv that computes one of them.
  private static func fuseResidual(
    at index: Int, _ graph: inout Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int],
    _ removed: inout Set<Int>
  ) throws {
    let node = graph.nodes[index]
    guard node.domain.isEmpty, node.operatorType == "Add", node.inputs.count == 2,
      let left = node.inputs[0], let right = node.inputs[1], left != right,
      graph.haveSameShape(left, right)
    else { return }
    // The later one of two convolutions, whose input has to wait for the other anyway.
    let candidates = [(left, right), (right, left)].compactMap { made, other -> (Int, ValueID)? in
      guard counts[made] == 1, let producer = producers[made], !removed.contains(producer),
        graph.nodes[producer].domain.isEmpty, graph.nodes[producer].operatorType == "Conv",
        graph.elementType(made)?.isFloatingPoint == true
      else { return nil }
      return (producer, other)
    }
    guard let (producer, residual) = candidates.max(by: { $0.0 < $1.0 }) else { return }
    var fused = graph.nodes[producer]
    fused.operatorType = "FusedConv"
    fused.domain = "graft"
    while fused.inputs.count < 3 { fused.inputs.append(nil) }
    fused.inputs.append(residual)
    fused.outputs = [node.outputs[0]]
    graph.nodes[index] = fused
    removed.insert(producer)
  }

  private static func fusedType(of node: Node) -> String? {
    switch (node.domain, node.operatorType) {
    case ("", "Conv"), ("graft", "FusedConv"): "FusedConv"
    case ("", "Gemm"): "FusedGemm"
    default: nil
    }
  }

  /// An activation with its parameters as constants, in the form of fused operators.
  private struct Activation {
    let name: String
    let parameters: [Float]

    init?(_ node: Node, in graph: Graph) throws {
      guard node.domain.isEmpty, node.inputs.first ?? nil != nil else { return nil }
      let attributes = AttributeReader(node.attributes)
      name = node.operatorType
      switch node.operatorType {
      case "Relu", "Sigmoid", "Tanh", "HardSwish": parameters = []
      case "LeakyRelu": parameters = [try attributes.float("alpha", default: 0.01)]
      case "Swish": parameters = [try attributes.float("alpha", default: 1)]
      case "HardSigmoid":
        parameters = [
          try attributes.float("alpha", default: 0.2), try attributes.float("beta", default: 0.5),
        ]
      case "Clip":
        guard let low = try graph.scalar(node, 1, default: -.infinity),
          let high = try graph.scalar(node, 2, default: .infinity), low <= high
        else { return nil }
        parameters = [low, high]
      default: return nil
      }
    }
  }
}

extension Graph {
  /// Whether two values are known to have the same shape.
  func haveSameShape(_ left: ValueID, _ right: ValueID) -> Bool {
    guard let leftShape = self[left].type?.tensor?.shape,
      let rightShape = self[right].type?.tensor?.shape
    else { return false }
    return leftShape == rightShape && !leftShape.contains(.unknown)
  }

  /// A constant floating-point scalar among a node's inputs; `value` if it is omitted, `nil` if it
  /// is not constant.
  func scalar(_ node: Node, _ position: Int, default value: Float) throws -> Float? {
    guard position < node.inputs.count, let id = node.inputs[position] else { return value }
    guard let tensor = constants[id], tensor.elementType.isFloatingPoint, tensor.elementCount == 1
    else { return nil }
    return Float(try tensor.doubles()[0])
  }
}
