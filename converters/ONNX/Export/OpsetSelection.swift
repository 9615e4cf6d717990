import GraftOperators

/// Finds the lowest opset and IR version that express a graph and that runtimes run.
struct OpsetSelection {
  let opset: Int
  let irVersion: Int

  /// Below, runtimes promise nothing: onnxruntime has kernels for the operators of opset 7 and
  /// later.
  private static let lowestRunnable = 7

  /// - Parameter override: the opset to use instead of the lowest
  /// - Throws: `GraftError` naming a node that the opset cannot express
  init(_ graph: Graph, override: Int?) throws {
    var bounds: [Bound] = []
    try Self.collectBounds(graph, imported: graph.provenance.importedOpset, &bounds)
    if let override {
      guard (1...ONNXImporter.newestOpset).contains(override) else {
        throw GraftError.usage(
          "opset \(override) is unknown; opsets 1 to \(ONNXImporter.newestOpset) can be written")
      }
      opset = override
    } else {
      let lowest = bounds.map(\.lowest).max() ?? 1
      let highest = bounds.map(\.highest).min() ?? ONNXImporter.newestOpset
      opset = max(lowest, min(Self.lowestRunnable, highest))
    }
    for bound in bounds {
      if bound.lowest > opset {
        throw GraftError.usage(
          "\(bound.label) needs opset \(bound.lowest), so opset \(opset) cannot express the model")
      }
      if bound.highest < opset {
        throw GraftError.unsupported(
          "\(bound.label) is known in its form of opset \(bound.highest) only, but the model needs "
            + "opset \(opset)")
      }
    }
    irVersion = max(OperatorVersion.irVersion(opset: opset), try Self.irVersion(of: graph))
  }

  /// The opsets at which a node can be written as it is.
  private struct Bound {
    let label: String
    let lowest: Int
    let highest: Int
  }

  /// - Parameter imported: the opset of the file that the graph came from; 0 if it came from none
  private static func collectBounds(
    _ graph: Graph, imported: Int, _ bounds: inout [Bound]
  ) throws {
    for node in graph.nodes {
      for body in node.bodies { try collectBounds(body, imported: imported, &bounds) }
      if node.domain == "graft" {
        throw GraftError.unsupported(
          "\(graph.label(node)) is an operator of Graft's own, which ONNX does not have",
          hint: "Export the graph before it is lowered or extended for training")
      }
      guard node.domain.isEmpty else { continue }
      bounds.append(try bound(node, in: graph, imported: imported))
    }
  }

  private static func bound(_ node: Node, in graph: Graph, imported: Int) throws -> Bound {
    let label = graph.label(node)
    let history = OperatorVersion.history(of: node.operatorType)
    if let schema = OperatorCatalog.type(of: node)?.schema {
      guard
        let version = history.first(where: {
          $0.version >= schema.sameSince && $0.accepts(node, in: graph)
        })
      else {
        throw GraftError.unsupported(
          "\(label) has attributes or element types that no opset of ONNX allows")
      }
      return Bound(label: label, lowest: version.version, highest: ONNXImporter.newestOpset)
    }
    // An operator that Graft does not know keeps the form in which it came.
    guard imported > 0, let version = history.last(where: { $0.version <= imported }) else {
      return Bound(label: label, lowest: 1, highest: ONNXImporter.newestOpset)
    }
    let next = history.first { $0.version > imported }
    return Bound(
      label: label, lowest: version.version,
      highest: next.map { $0.version - 1 } ?? ONNXImporter.newestOpset)
  }

  // MARK: IR version

  private static func irVersion(of graph: Graph) throws -> Int {
    var version = 3
    // Before version 4, each initializer had to be an input, too.
    let constants = graph.constants.keys.count + graph.parameters.keys.count
    if constants > graph.defaultedInputs.count { version = 4 }
    if !graph.provenance.graphMetadata.isEmpty { version = 10 }
    for value in graph.values {
      if let type = value.type { version = max(version, type.irVersion) }
      if !value.metadata.isEmpty { version = max(version, value.metadataVersion) }
    }
    for tensor in [graph.constants.values, graph.parameters.values].joined() {
      version = max(version, tensor.elementType.irVersion)
    }
    for node in graph.nodes {
      if !node.metadata.isEmpty { version = max(version, 10) }
      for attribute in node.attributes.values { version = max(version, attribute.irVersion) }
      for body in node.bodies {
        version = max(version, try irVersion(of: body))
        if !body.metadata.isEmpty { version = max(version, 10) }
      }
    }
    return version
  }
}

extension Value {
  /// Quantization annotations are older than other metadata of values.
  fileprivate var metadataVersion: Int {
    metadata.keys.allSatisfy { $0.text.hasPrefix(quantizationPrefix) } ? 5 : 10
  }
}

extension ElementType {
  /// The IR version that brought the type.
  fileprivate var irVersion: Int {
    switch self {
    case .uint2, .int2: 13
    case .float8e8m0: 12
    case .float4e2m1: 11
    case .uint4, .int4: 10
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz: 9
    case .bfloat16: 4
    default: 3
    }
  }
}

extension ValueType {
  fileprivate var irVersion: Int {
    switch self {
    case .tensor(let type): type.elementType.irVersion
    case .sparseTensor(let type): max(8, type.elementType.irVersion)
    case .sequence(let element): element.irVersion
    case .optional(let element): max(8, element.irVersion)
    case .map(let key, let value): max(key.irVersion, value.irVersion)
    }
  }
}

extension Attribute {
  fileprivate var irVersion: Int {
    switch self {
    case .tensor(let tensor): tensor.elementType.irVersion
    case .tensors(let tensors): tensors.map(\.elementType.irVersion).max() ?? 3
    case .sparseTensor(let sparse): max(6, sparse.values.elementType.irVersion)
    case .sparseTensors: 6
    case .type(let type): max(8, type.irVersion)
    case .types: 8
    default: 3
    }
  }
}
