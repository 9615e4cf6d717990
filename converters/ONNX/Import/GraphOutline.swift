import GraftFiles
import GraftGraph
import GraftTensor

/// The nodes and tensors of a graph as its file has them, before any rewriting, to show a model as
/// its author knows it.
package struct GraphOutline: Sendable {
  /// A tensor in the file.
  package struct Stored: Sendable {
    package let elementType: ElementType
    package let elementCount: Int
    /// In the file, where elements smaller than a byte share bytes.
    package var byteCount: Int { elementType.packedByteCount(elementCount) }
  }

  package struct Node: Sendable {
    package var name: String
    /// With its domain, as in `ai.onnx.ml.Scaler`.
    package var qualifiedType: String
    package var inputs: [ByteString]
    package var outputs: [ByteString]
    /// In the file's order, without graphs.
    package var attributes: [(name: String, value: AttributeOutline)]
    /// The tensors among the attributes.
    package var tensors: [Stored]
    /// The graphs among the attributes, with the attributes' names.
    package var bodies: [(attribute: String, graph: GraphOutline)]
  }

  package var initializers: [ByteString: Stored]
  package var nodes: [Node]

  /// The outline of an ONNX file.
  ///
  /// - Returns: `nil` if the file has functions, whose nodes only the imported graph shows
  /// - Throws: `GraftError` if the file cannot be read
  package init?(onnx storage: Storage, limits: ImportLimits = .standard) throws {
    let file = try WireScanner.scan(storage, as: .model, limits: limits)
    let model: Onnx_ModelProto = try file.message(limits: limits)
    guard model.functions.isEmpty else { return nil }
    try self.init(model.graph)
  }

  /// The outline of a graph built in code.
  package init(_ graph: Graph) {
    let tensors = graph.constants.merging(graph.parameters) { constant, _ in constant }
    initializers = Dictionary(
      tensors.map { (ByteString(graph[$0.key].name), Stored($0.value)) },
      uniquingKeysWith: { first, _ in first })
    nodes = graph.nodes.map { node in
      Node(
        name: node.name, qualifiedType: node.qualifiedType,
        inputs: node.inputs.map { $0.map { ByteString(graph[$0].name) } ?? "" },
        outputs: node.outputs.map { $0.map { ByteString(graph[$0].name) } ?? "" },
        attributes: node.attributes.sorted { $0.key < $1.key }.compactMap { name, attribute in
          AttributeOutline(attribute).map { (name: name.text, value: $0) }
        },
        tensors: [],
        bodies: node.attributes.sorted { $0.key < $1.key }.flatMap { name, attribute in
          attribute.graphs.map { (attribute: name.text, graph: GraphOutline($0)) }
        })
    }
  }

  private init(_ proto: Onnx_GraphProto) throws {
    initializers = [:]
    for tensor in proto.initializer { initializers[tensor.name] = try Stored(tensor) }
    for sparse in proto.sparseInitializer {
      initializers[sparse.values.name] = try Stored(sparse.values)
    }
    nodes = try proto.node.map(Node.init)
  }
}

extension GraphOutline.Node {
  fileprivate init(_ proto: Onnx_NodeProto) throws {
    let domain = canonicalDomain(proto.domain)
    name = proto.name
    qualifiedType = domain.isEmpty ? proto.opType : "\(domain).\(proto.opType)"
    inputs = proto.input.map { ByteString($0) }
    outputs = proto.output.map { ByteString($0) }
    attributes = []
    tensors = []
    bodies = []
    for attribute in proto.attribute {
      if let value = try AttributeOutline(attribute) { attributes.append((attribute.name, value)) }
      let stored =
        (attribute.hasT ? [attribute.t] : []) + attribute.tensors
        + (attribute.hasSparseTensor ? [attribute.sparseTensor.values] : [])
        + attribute.sparseTensors.map(\.values)
      tensors += try stored.map(GraphOutline.Stored.init)
      for graph in (attribute.hasG ? [attribute.g] : []) + attribute.graphs {
        bodies.append((attribute.name, try GraphOutline(graph)))
      }
    }
  }
}

extension Attribute {
  fileprivate var graphs: [Graph] {
    switch self {
    case .graph(let graph): [graph]
    case .graphs(let graphs): graphs
    default: []
    }
  }
}

extension GraphOutline.Stored {
  fileprivate init(_ tensor: Tensor) {
    elementType = tensor.elementType
    elementCount = tensor.elementCount
  }

  fileprivate init(_ proto: Onnx_TensorProto) throws {
    elementType = ElementType(rawValue: proto.dataType) ?? .float
    elementCount = try proto.dims.map { Int($0) }.checkedElementCount()
  }
}
