import GraftRuntime

/// What a model is: a table of its layers with output shapes, parameters and multiply-adds.
package struct ModelSummary: Sendable, Encodable {
  package struct ValueSummary: Sendable, Encodable {
    package var name: String
    package var type: String
  }

  package struct Layer: Sendable, Encodable {
    package var name: String
    package var type: String
    /// Shapes of the outputs; `nil` where only running tells.
    package var outputShapes: [String?]
    /// Constants that stand at this layer for the first time.
    package var parameters: Int
    package var multiplyAdds: Int
  }

  package var name: String
  package var opset: Int
  package var producer: String
  package var inputs: [ValueSummary]
  package var outputs: [ValueSummary]
  package var layers: [Layer]
  package var parameters: Int
  package var parameterBytes: Int
  package var multiplyAdds: Int
  package var unsupportedOperators: [String]
  package var metadata: [String: String]

  /// - Parameter shapes: extents for inputs whose shapes the model leaves open, by name; a symbolic first
  ///   extent counts as 1
  package init(_ graph: Graph, shapes: [String: Shape] = [:]) throws {
    var inferred = graph
    try inferred.inferTypes()
    let inputTypes = try ModelSummary.inputTypes(inferred, shapes)
    let types = try inferred.concreteTypes(inputs: inputTypes)
    name = graph.name
    opset = graph.provenance.importedOpset
    producer = [graph.provenance.producerName, graph.provenance.producerVersion]
      .filter { !$0.isEmpty }.joined(separator: " ")
    inputs = graph.inputs.map {
      ValueSummary(name: graph[$0].name, type: graph[$0].type?.description ?? "unknown")
    }
    outputs = graph.outputs.map {
      ValueSummary(
        name: graph[$0].name,
        type: (inferred[$0].type ?? types[$0])?.description ?? "unknown")
    }
    var counted: Set<ValueID> = []
    layers = inferred.nodes.map { node in
      var parameterCount = 0
      for case let input? in node.inputs {
        guard let tensor = graph.constants[input] ?? graph.parameters[input],
          tensor.elementType.isFloatingPoint, counted.insert(input).inserted
        else { continue }
        parameterCount += tensor.elementCount
      }
      return Layer(
        name: graph.layerName(of: node),
        type: node.qualifiedType,
        outputShapes: node.outputs.compactMap { $0 }.map { id in
          types[id]?.tensor?.shape.map { "[" + $0.map(\.description).joined(separator: ", ") + "]" }
        },
        parameters: parameterCount,
        multiplyAdds: ModelSummary.multiplyAdds(node, types) ?? 0)
    }
    parameters = layers.reduce(0) { $0 + $1.parameters }
    parameterBytes = counted.reduce(0) {
      $0 + (graph.constants[$1] ?? graph.parameters[$1])!.byteCount
    }
    multiplyAdds = layers.reduce(0) { $0 + $1.multiplyAdds }
    unsupportedOperators = graph.unsupportedOperators().map(\.qualifiedType)
    metadata = graph.metadata.filter { $0.key != Labels.metadataKey }
  }

  /// The inputs' types with open extents settled where that is possible.
  private static func inputTypes(
    _ graph: Graph, _ shapes: [String: Shape]
  ) throws -> [ValueID: ValueType] {
    var types: [ValueID: ValueType] = [:]
    for id in graph.inputs {
      guard var type = graph[id].type else { continue }
      if var tensor = type.tensor {
        if let shape = shapes[graph[id].name] {
          tensor.shape = [Dimension](shape)
        } else if let shape = tensor.shape, let first = shape.first, first.known == nil {
          tensor.shape = [1] + shape.dropFirst()
        }
        type = .tensor(tensor)
        guard tensor.shape?.knownShape != nil else { continue }
      }
      types[id] = type
    }
    return types
  }

  /// Multiply-adds of the operators that consist of them; `nil` for others and for unknown shapes.
  private static func multiplyAdds(_ node: Node, _ types: [ValueID: ValueType]) -> Int? {
    func shape(_ id: ValueID?) -> Shape? { id.flatMap { types[$0]?.tensor?.shape?.knownShape } }
    guard node.inputs.count >= 2, let x = shape(node.inputs[0]), let w = shape(node.inputs[1]),
      let y = shape(node.outputs.first ?? nil)
    else { return nil }
    switch node.operatorType {
    case "Conv": return y.elementCount * w.dropFirst().reduce(1, *)
    case "ConvTranspose": return x.elementCount * w.dropFirst().reduce(1, *)
    case "Gemm":
      let isTransposed = (try? AttributeReader(node.attributes).flag("transA")) ?? false
      return y.elementCount * (x.count == 2 ? x[isTransposed ? 0 : 1] : 0)
    case "MatMul": return y.elementCount * (x.last ?? 0)
    default: return nil
    }
  }
}
