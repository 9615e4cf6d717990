import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftRuntime
import GraftTensor

/// A model's structure: its layers with output shapes, parameters and multiply-adds.
///
/// Layers and parameters are those in the model's file, before Graft's own rewriting.
package struct ModelSummary: Sendable, Encodable {
  package struct ValueSummary: Sendable, Encodable {
    package var name: String
    package var type: String
  }

  package struct Layer: Sendable, Encodable {
    /// The node's name, or that of its first output. In a body, the names of the enclosing node and
    /// attribute come first.
    package var name: String
    package var type: String
    /// The shapes of the outputs; `nil` if only running shows them.
    package var outputShapes: [String?]
    /// The elements of weights that this layer is the first to use.
    package var parameters: Int
    /// `nil` if the layer multiplies, but the number is unknown.
    package var multiplyAdds: Int?
    /// The number of enclosing bodies.
    package var depth: Int
    /// The node's attributes as in the file, without graphs.
    package var attributes: [String: AttributeOutline]
  }

  package struct OperatorCount: Sendable, Encodable {
    package var type: String
    package var count: Int
  }

  package var name: String
  package var opset: Int
  package var producer: String
  package var inputs: [ValueSummary]
  /// Inputs with a default.
  package var optionalInputs: [ValueSummary]
  package var outputs: [ValueSummary]
  package var layers: [Layer]
  /// The number of layers per operator, most frequent first.
  package var operators: [OperatorCount]
  package var parameters: Int
  package var parameterBytes: Int
  /// The sum over all layers with known multiply-adds; bodies are excluded, since the number of
  /// their runs is unknown.
  package var knownMultiplyAdds: Int
  /// `nil` if the multiply-adds of a layer are unknown.
  package var multiplyAdds: Int?
  package var unsupportedOperators: [String]
  /// The names of the classes; `nil` if the file has none.
  package var labels: [String]?
  package var metadata: [String: String]

  /// - Parameters:
  ///   - outline: the structure of the model's file; `nil` for a graph built in code
  ///   - shapes: the shapes of inputs with unknown extents, by name; a symbolic first extent counts
  ///     as 1
  ///   - labels: the labels in the model's file
  /// - Throws: `GraftError` if the model is invalid or does not accept the shapes
  package init(
    _ graph: Graph, outline: GraphOutline? = nil, shapes: [ByteString: Shape] = [:],
    labels: Labels? = nil
  ) throws {
    var inferred = graph
    try inferred.inferTypes()
    let inputTypes = try ModelSummary.inputTypes(inferred, shapes)
    let types = try inferred.concreteTypes(inputs: inputTypes)
    name = graph.name
    opset = graph.provenance.importedOpset
    producer = [graph.provenance.producerName, graph.provenance.producerVersion]
      .filter { !$0.isEmpty }.joined(separator: " ")
    func summary(_ id: ValueID, _ type: ValueType?) -> ValueSummary {
      ValueSummary(name: graph[id].name, type: type?.description ?? "unknown")
    }
    inputs = graph.inputs.map { summary($0, graph[$0].type) }
    optionalInputs = graph.defaultedInputs.map { summary($0, graph[$0].type) }
    let isBatchKnown = graph.inputs.allSatisfy {
      graph[$0].type?.tensor?.shape?.first.map { $0.known != nil } ?? false
    }
    outputs = graph.outputs.map { id in
      let type = inferred[id].type ?? types[id]
      return summary(id, isBatchKnown ? type?.filled(from: types[id]) : type)
    }

    var collector = LayerCollector()
    collector.add(
      outline ?? GraphOutline(inferred),
      in: LayerCollector.Scope(graph: inferred, types: types))
    layers = collector.layers
    operators = Dictionary(grouping: layers, by: \.type)
      .map { OperatorCount(type: $0, count: $1.count) }
      .sorted { ($1.count, $0.type) < ($0.count, $1.type) }
    parameters = collector.parameters.elementCount
    parameterBytes = collector.parameters.byteCount
    let own = layers.filter { $0.depth == 0 }.map(\.multiplyAdds)
    knownMultiplyAdds = own.reduce(0) { saturatingSum($0, $1 ?? 0) }
    let isKnown =
      own.allSatisfy { $0 != nil } && knownMultiplyAdds < .max
      && layers.allSatisfy { $0.depth == 0 || $0.multiplyAdds == 0 }
    multiplyAdds = isKnown ? knownMultiplyAdds : nil
    unsupportedOperators = graph.unsupportedOperators().map(\.qualifiedType)
      .filter { !$0.hasPrefix("\(Node.olderFormDomain).") }
    self.labels = labels?.names
    metadata = Dictionary(
      graph.metadata.filter { $0.key.text != Labels.metadataKey }.map { ($0.key.text, $0.value) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The inputs' types, with unknown extents set where possible.
  private static func inputTypes(
    _ graph: Graph, _ shapes: [ByteString: Shape]
  ) throws -> [ValueID: ValueType] {
    var types: [ValueID: ValueType] = [:]
    for id in graph.inputs {
      guard var type = graph[id].type else { continue }
      if var tensor = type.tensor {
        if let shape = shapes[graph[id].name] {
          try withPlace("input '\(graph[id].name)'") { _ = try shape.checkedElementCount() }
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
}

/// Walks an outline and its bodies.
private struct LayerCollector {
  /// The types of a graph's values.
  struct Scope {
    private let graph: Graph
    private var types: [ByteString: ValueType] = [:]
    private var producers: [ByteString: Int] = [:]

    init(graph: Graph, types known: [ValueID: ValueType]) {
      self.graph = graph
      for (index, value) in graph.values.enumerated() {
        guard let type = known[ValueID(index)] ?? value.type else { continue }
        types[value.name] = type
      }
      for (index, node) in graph.nodes.enumerated() {
        for case let output? in node.outputs { producers[graph[output].name] = index }
      }
    }

    func shape(_ name: ByteString) -> [Dimension]? { types[name]?.tensor?.shape }

    /// The scope of a body of the node that computes `output`.
    func body(_ attribute: String, of output: ByteString?) -> Scope? {
      guard let index = output.flatMap({ producers[$0] }),
        case .graph(let graph)? = self.graph.nodes[index].attributes[attribute]
      else { return nil }
      return Scope(graph: graph, types: [:])
    }
  }

  private(set) var layers: [ModelSummary.Layer] = []
  private(set) var parameters = (elementCount: 0, byteCount: 0)

  /// - Parameter holder: for a body, the names of its node and attribute
  mutating func add(
    _ outline: GraphOutline, in scope: Scope?, holder: String = "", depth: Int = 0
  ) {
    var unread = outline.initializers
    for node in outline.nodes {
      var weights = node.tensors
      for input in node.inputs {
        if let tensor = unread.removeValue(forKey: input) { weights.append(tensor) }
      }
      let before = parameters.elementCount
      for weight in weights where weight.elementType.isWeight {
        parameters.elementCount = saturatingSum(parameters.elementCount, weight.elementCount)
        parameters.byteCount = saturatingSum(parameters.byteCount, weight.byteCount)
      }
      let name = node.name.isEmpty ? node.outputs.first?.text ?? "" : node.name
      let outputs = node.outputs.filter { $0 != "" }
      layers.append(
        ModelSummary.Layer(
          name: holder + name, type: node.qualifiedType,
          outputShapes: outputs.map { output in
            scope?.shape(output).map { "[" + $0.map(\.description).joined(separator: ", ") + "]" }
          },
          parameters: parameters.elementCount - before,
          multiplyAdds: multiplyAdds(node, scope), depth: depth,
          attributes: Dictionary(
            node.attributes.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })))
      for body in node.bodies {
        add(
          body.graph, in: scope?.body(body.attribute, of: node.outputs.first { $0 != "" }),
          holder: "\(name.prefix(80))/\(body.attribute.prefix(80))/", depth: depth + 1)
      }
    }
  }

  /// `nil` if the node multiplies, but how much is not known.
  private func multiplyAdds(_ node: GraphOutline.Node, _ scope: Scope?) -> Int? {
    let form = LayerCollector.quantized[node.qualifiedType]
    guard let type = form?.type ?? OperatorCatalog.type(node.qualifiedType) else {
      return LayerCollector.mayMultiply(node.qualifiedType) ? nil : 0
    }
    func shape(_ name: ByteString?) -> Shape? { name.flatMap { scope?.shape($0)?.knownShape } }
    let places = [0, form?.weightInput ?? 1]
    let inputs = places.map { $0 < node.inputs.count ? shape(node.inputs[$0]) : nil }
    return type.multiplyAdds(inputs: inputs, output: shape(node.outputs.first))
  }

  /// Quantized forms of operators: what they multiply like, and the place of their weights.
  private static let quantized: [String: (type: any Operator.Type, weightInput: Int)] = [
    ConvInteger.schema.name: (Conv.self, 1), QLinearConv.schema.name: (Conv.self, 3),
    MatMulInteger.schema.name: (MatMul.self, 1), QLinearMatMul.schema.name: (MatMul.self, 3),
  ]

  /// Whether an operator that Graft does not have may multiply.
  private static func mayMultiply(_ type: String) -> Bool {
    if type.contains(".") { return !["ai.onnx.ml.", "graft."].contains { type.hasPrefix($0) } }
    return OperatorVersion.history(of: type).isEmpty
  }
}

extension ValueType {
  /// This type, with unknown extents replaced by those of `other`.
  fileprivate func filled(from other: ValueType?) -> ValueType {
    guard var type = tensor, let shape = type.shape, let extents = other?.tensor?.shape,
      shape.count == extents.count
    else { return self }
    type.shape = zip(shape, extents).map { $0 == .unknown ? $1 : $0 }
    return .tensor(type)
  }
}

/// The sum, or the largest number on overflow.
private func saturatingSum(_ left: Int, _ right: Int) -> Int {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? .max : sum
}

extension ElementType {
  /// Whether tensors of this type are weights, also in quantized models, rather than shapes,
  /// indices or Booleans.
  fileprivate var isWeight: Bool {
    switch self {
    case .int64, .uint64, .bool, .string: false
    default: true
    }
  }
}
