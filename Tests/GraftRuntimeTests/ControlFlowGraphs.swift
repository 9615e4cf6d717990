import GraftFiles
import GraftGraph
import GraftTensor

/// Shorthand for graphs with bodies.
extension Graph {
  /// A body with inputs of these names and types.
  static func body(
    _ name: String = "body", _ inputs: [(String, TensorType)] = [],
    _ fill: (inout Graph, [ValueID]) throws -> [ValueID]
  ) rethrows -> Graph {
    var graph = Graph(name: name)
    let ids = inputs.map { graph.addInput(name: $0.0, type: $0.1) }
    graph.outputs = try fill(&graph, ids)
    return graph
  }

  /// The body of a Loop, with its trip and condition.
  static func loopBody(
    _ carried: [(String, TensorType)] = [],
    _ fill: (inout Graph, _ trip: ValueID, _ condition: ValueID, _ carried: [ValueID]) throws ->
      [ValueID]
  ) rethrows -> Graph {
    let first = [("trip", TensorType(.int64, [])), ("condition", TensorType(.bool, []))]
    return try body("body", first + carried) { graph, ids in
      try fill(&graph, ids[0], ids[1], Array(ids.dropFirst(2)))
    }
  }

  /// A value of this body that is one of the enclosing graph.
  mutating func captured(_ outer: ValueID, _ type: TensorType? = nil) -> ValueID {
    let id = addValue(name: "captured_\(outer.index)", type: type.map { .tensor($0) })
    captures[id] = outer
    return id
  }

  mutating func scalar(_ value: Float) throws -> ValueID { addConstant(try Tensor(scalar: value)) }
  mutating func scalar(_ value: Int64) throws -> ValueID { addConstant(try Tensor(scalar: value)) }
  mutating func scalar(_ value: Bool) throws -> ValueID { addConstant(try Tensor(scalar: value)) }
}

extension Tensor {
  static func vector(_ elements: [Float]) throws -> Tensor {
    try Tensor(elements, shape: [elements.count])
  }
}
