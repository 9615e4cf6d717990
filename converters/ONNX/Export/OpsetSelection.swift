import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A graph in the form of the opset to write: the chosen one, or the lowest that keeps its nodes
/// and that runtimes support.
struct OpsetSelection {
  /// The graph with its nodes as ``opset`` has them.
  let graph: Graph
  let opset: Int
  let irVersion: Int

  /// The lowest opset with support in runtimes: onnxruntime has kernels from opset 7 on.
  private static let lowestRunnable = 7

  /// - Parameters:
  ///   - graph: a graph whose types are inferred
  ///   - override: the opset to use instead of the lowest
  /// - Throws: `GraftError` naming a node that the opset cannot express
  init(_ graph: Graph, override: Int?) throws {
    try Self.requireONNX(graph)
    if let override, !(1...ONNXImporter.newestOpset).contains(override) {
      throw GraftError.usage(
        "opset \(override) is not supported: use 1 to \(ONNXImporter.newestOpset)")
    }
    let imported = graph.provenance.importedOpset
    let functions = graph.calledFunctions
    if let override, override != imported, let function = functions.first {
      throw GraftError.usage(
        "opset \(override) is not the file's opset \(imported), in which the function "
          + "'\(function.name.qualifiedName)' is written",
        hint: "Omit --opset or --keep-functions")
    }
    let keepsOpset = imported > 0 && (graph.unknownOperator != nil || !functions.isEmpty)
    var opset = override ?? (keepsOpset ? imported : Self.lowestRunnable)
    var domainVersions = Self.domainVersions(of: graph, keepsOpset: keepsOpset)
    var downgraded: Graph?
    while downgraded == nil {
      let downgrader = GraphDowngrader(
        opset: opset, domainVersions: domainVersions, importedOpset: imported,
        allowsExtraNodes: override != nil || keepsOpset)
      do {
        downgraded = try downgrader.downgraded(graph)
      } catch let obstacle as GraphDowngrader.Obstacle {
        if let next = obstacle.nextVersion, !keepsOpset {
          if !obstacle.domain.text.isEmpty {
            domainVersions[obstacle.domain] = next
            continue
          }
          if override == nil {
            opset = next
            continue
          }
        }
        throw Self.error(obstacle, opset: opset, domainVersions, isChosen: override != nil)
      }
    }
    var result = downgraded ?? graph
    result.domainVersions.merge(domainVersions) { $1 }
    self.graph = result
    self.opset = opset
    irVersion = domainVersions.reduce(
      max(
        OperatorVersion.irVersion("", opset), try Self.irVersion(of: result),
        functions.map(\.irVersion).max() ?? 3)
    ) { max($0, OperatorVersion.irVersion($1.key, $1.value)) }
  }

  /// The versions to begin with for ONNX's domains other than `ai.onnx` that the graph uses.
  private static func domainVersions(of graph: Graph, keepsOpset: Bool) -> [ByteString: Int] {
    var versions: [ByteString: Int] = [:]
    for domain in graph.domains where !domain.text.isEmpty {
      guard let newest = OperatorVersion.newest(ofDomain: domain) else { continue }
      versions[domain] = keepsOpset ? min(graph.domainVersions[domain] ?? newest, newest) : 1
    }
    return versions
  }

  private static func error(
    _ obstacle: GraphDowngrader.Obstacle, opset: Int, _ domainVersions: [ByteString: Int],
    isChosen: Bool
  ) -> GraftError {
    guard obstacle.domain.text.isEmpty else {
      return .unsupported(
        "\(obstacle.label) cannot be written at version \(domainVersions[obstacle.domain] ?? 1) "
          + "of \(obstacle.domain): \(obstacle.reason)")
    }
    guard isChosen, let next = obstacle.nextVersion else {
      return .unsupported(
        "\(obstacle.label) cannot be written at opset \(opset): \(obstacle.reason)",
        hint: isChosen ? "Omit --opset" : nil)
    }
    return .usage(
      "\(obstacle.label) needs opset \(next), so opset \(opset) cannot express the model: "
        + obstacle.reason)
  }

  private static func requireONNX(_ graph: Graph) throws {
    for node in graph.nodes {
      for body in node.bodies { try requireONNX(body) }
      if node.domain == "graft" {
        throw GraftError.unsupported(
          "\(graph.label(node)) is an internal operator of Graft, not part of ONNX",
          hint: "Export the graph before it is lowered or extended for training")
      }
    }
  }

  // MARK: IR version

  private static func irVersion(of graph: Graph) throws -> Int {
    var version = 3
    // Before IR version 4, each initializer had to be an input too, and runtimes take it for a
    // constant.
    let constants = graph.constants.keys.count + graph.parameters.keys.count
    let isOld = (1...3).contains(graph.provenance.importedIRVersion)
    if constants > 0, !isOld || constants > graph.defaultedInputs.count { version = 4 }
    if !graph.provenance.graphMetadata.isEmpty { version = 10 }
    for value in graph.values {
      if let type = value.type { version = max(version, type.irVersion) }
      version = max(version, value.metadataVersion)
    }
    for tensor in [graph.constants.values, graph.parameters.values].joined() {
      version = max(version, tensor.elementType.irVersion)
    }
    for node in graph.nodes {
      if !node.metadata.isEmpty || !node.overload.isEmpty { version = max(version, 10) }
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
  /// The IR version that the metadata needs: quantization annotations and denotations are older.
  fileprivate var metadataVersion: Int {
    if !plainMetadata.isEmpty { return 10 }
    return metadata.keys.contains { $0.text.hasPrefix(quantizationPrefix) } ? 5 : 3
  }
}

extension Graph {
  /// The label of a node whose operator Graft does not know, also in bodies; `nil` if there is
  /// none.
  package var unknownOperator: String? { unknownOperator(besides: Set(functions.map(\.name))) }

  private func unknownOperator(besides functions: Set<FunctionName>) -> String? {
    for node in nodes {
      if OperatorCatalog.type(of: node) == nil, !functions.contains(node.functionName) {
        return label(node)
      }
      for body in node.bodies {
        if let label = body.unknownOperator(besides: functions) { return label }
      }
    }
    return nil
  }
}

extension ElementType {
  /// The IR version that added the type.
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
