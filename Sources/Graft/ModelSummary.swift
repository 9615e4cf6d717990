import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor

/// What a model is: a table of its layers with output shapes, parameters and multiply-adds.
///
/// Layers and parameters are those of the model's file, not what Graft makes of them to run them.
package struct ModelSummary: Sendable, Encodable {
  package struct ValueSummary: Sendable, Encodable {
    package var name: String
    package var type: String
  }

  package struct Layer: Sendable, Encodable {
    /// The node's name, or that of its first output. In front of a node in a body stand the names of
    /// the node and the attribute that hold the body.
    package var name: String
    package var type: String
    /// Shapes of the outputs; `nil` where only running tells.
    package var outputShapes: [String?]
    /// Elements of weights that stand at this layer for the first time.
    package var parameters: Int
    /// `nil` if the layer multiplies, but how much is not known.
    package var multiplyAdds: Int?
    /// How many bodies the layer lies in.
    package var depth: Int
    /// The node's attributes as the file gives them, but for graphs.
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
  /// Inputs that have a default.
  package var optionalInputs: [ValueSummary]
  package var outputs: [ValueSummary]
  package var layers: [Layer]
  /// How many layers each operator has, the most frequent first.
  package var operators: [OperatorCount]
  package var parameters: Int
  package var parameterBytes: Int
  /// Of all layers whose multiply-adds are known; those of bodies are not, as nobody knows how often
  /// they run.
  package var knownMultiplyAdds: Int
  /// `nil` if some layer's multiply-adds are not known.
  package var multiplyAdds: Int?
  package var unsupportedOperators: [String]
  /// The names of the classes; `nil` if the file has none.
  package var labels: [String]?
  package var metadata: [String: String]

  /// - Parameters:
  ///   - outline: what the model's file says; `nil` for a graph that was built here
  ///   - shapes: extents for inputs whose shapes the model leaves open, by name; a symbolic first
  ///     extent counts as 1
  ///   - labels: those that the model's file has
  /// - Throws: `GraftError` if the model is wrong or does not take such shapes
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

  /// The inputs' types with open extents settled where that is possible.
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
  /// Where the types of a graph's values are found.
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

  private func multiplyAdds(_ node: GraphOutline.Node, _ scope: Scope?) -> Int? {
    guard let multiplyAdds = MultiplyAdds(node) else { return 0 }
    return multiplyAdds.count { scope?.shape($0)?.knownShape }
  }
}

/// How many multiply-adds an operator that consists of them has.
private struct MultiplyAdds {
  private let operatorType: String
  private let inputs: [ByteString]
  private let output: ByteString

  /// Where the operand and the weights stand among the inputs.
  private static let operands: [String: (Int, Int)] = [
    "Conv": (0, 1), "ConvInteger": (0, 1), "QLinearConv": (0, 3), "ConvTranspose": (0, 1),
    "Gemm": (0, 1), "MatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3),
  ]
  /// Operators that multiply as well, but whose multiply-adds are not counted.
  private static let uncounted: Set<String> = [
    "Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN",
  ]

  private let places: (Int, Int)?

  /// - Returns: `nil` for operators that are none of these
  init?(_ node: GraphOutline.Node) {
    places = MultiplyAdds.operands[node.qualifiedType]
    guard places != nil || MultiplyAdds.mayMultiply(node.qualifiedType) else { return nil }
    operatorType = node.qualifiedType
    inputs = node.inputs
    output = node.outputs.first ?? ""
  }

  /// Whether an operator multiplies in a way that is not counted, or does nobody knows what.
  private static func mayMultiply(_ type: String) -> Bool {
    if uncounted.contains(type) { return true }
    if type.contains(".") { return !["ai.onnx.ml.", "graft."].contains { type.hasPrefix($0) } }
    return OperatorCatalog.type(type) == nil && OperatorVersion.history(of: type).isEmpty
  }

  /// - Returns: `nil` if that is not known, or more than can be counted
  func count(_ shape: (ByteString) -> Shape?) -> Int? {
    guard let places, places.1 < inputs.count, let x = shape(inputs[places.0]),
      let w = shape(inputs[places.1]), let y = shape(output)
    else { return nil }
    switch operatorType {
    case "Conv", "ConvInteger", "QLinearConv": return product(y + w.dropFirst())
    case "ConvTranspose": return product(x + w.dropFirst())
    case "Gemm":
      guard let rows = y.first, rows > 0 else { return 0 }
      return product(y + [x.elementCount / rows])
    default: return product(y + [x.last ?? 0])
    }
  }

  private func product(_ factors: [Int]) -> Int? {
    var product = 1
    for factor in factors where factor != 1 {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }
}

extension ValueType {
  /// This type with extents of `other` for those that have neither number nor name.
  fileprivate func filled(from other: ValueType?) -> ValueType {
    guard var type = tensor, let shape = type.shape, let extents = other?.tensor?.shape,
      shape.count == extents.count
    else { return self }
    type.shape = zip(shape, extents).map { $0 == .unknown ? $1 : $0 }
    return .tensor(type)
  }
}

/// The sum, or the largest number if it does not fit.
private func saturatingSum(_ left: Int, _ right: Int) -> Int {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? .max : sum
}

extension ElementType {
  /// Whether tensors of this type are weights, also of quantized models, rather than shapes, indices
  /// and truth values.
  fileprivate var isWeight: Bool {
    switch self {
    case .int64, .uint64, .bool, .string: false
    default: true
    }
  }
}
