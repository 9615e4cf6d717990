import GraftFiles
import GraftGraph

/// The import of one model.
///
/// Converts protobuf to a native graph. ``ModelImport`` handles the whole model; its extensions
/// handle graphs, nodes, attributes and functions.
final class ModelImport {
  let model: Onnx_ModelProto
  let decoder: TensorDecoder
  let limits: ImportLimits
  /// Shared with the decoder.
  let budget: ImportBudget
  let givenInputs: Set<ByteString>
  let keepsOlderForms: Bool
  let keepsFunctions: Bool
  let functions: [FunctionName: Onnx_FunctionProto]
  var usedPrefixes: Set<ByteString> = []
  /// The next number to try for a unique prefix, by name of the call.
  var prefixNumbers: [ByteString: Int] = [:]

  init(
    _ model: Onnx_ModelProto, decoder: TensorDecoder, importer: ONNXImporter
  ) throws {
    self.model = model
    self.decoder = decoder
    self.limits = importer.limits
    self.budget = decoder.budget
    self.givenInputs = importer.givenInputs
    self.keepsOlderForms = importer.keepsOlderForms
    self.keepsFunctions = importer.keepsFunctions
    var functions: [FunctionName: Onnx_FunctionProto] = [:]
    for function in model.functions {
      let key = FunctionName(function)
      guard functions.updateValue(function, forKey: key) == nil else {
        throw GraftError.badData("defines the function '\(function.name)' twice")
      }
    }
    self.functions = functions
  }

  func graph() throws -> Graph {
    var opsets = try opsetVersions(model.opsetImport)
    // The first files had no operator sets.
    if opsets.isEmpty, model.irVersion < 3 { opsets = ["": 1] }
    guard !opsets.isEmpty else {
      throw GraftError.badData("imports no operator set")
    }
    if keepsFunctions { try requireOwnNames() }
    try requireFewInlinedNodes()
    let survey = OperatorSurvey(model, opsets: opsets, functions: functions)
    try survey.requireForms()
    let frame = NameFrame(
      level: level(name: model.graph.name, isBody: false), outer: nil, call: nil,
      opsets: opsets, depth: 0)
    do {
      try importGraph(model.graph, into: frame)
    } catch let error as GraftError {
      throw survey.explained(error, functions: functionNames)
    }

    var graph = frame.level.graph
    if keepsFunctions { graph.functions = try calledFunctions() }
    graph.provenance.functionNames = functionNames
    graph.provenance.graphMetadata = graph.metadata
    graph.metadata = dictionary(model.metadataProps)
    graph.provenance.producerName = model.producerName
    graph.provenance.producerVersion = model.producerVersion
    graph.provenance.domain = model.domain
    graph.provenance.modelVersion = Int(model.modelVersion)
    graph.provenance.documentation = model.docString
    graph.provenance.importedOpset = opsets[""] ?? 0
    graph.provenance.importedIRVersion = Int(model.irVersion)
    // Domains used only by inlined functions are dropped.
    let used = graph.domains
    let inlined = keepsFunctions ? [] : Set(functions.keys.map(\.domain)).subtracting(used)
    graph.domainVersions = opsets.filter { domain, _ in
      domain != "" && !inlined.contains(domain)
    }
    return graph
  }

  /// The functions of the file, with their domains.
  private var functionNames: [ByteString] { functions.keys.map(\.qualifiedName).sorted() }

  func level(name: String, isBody: Bool) -> GraphLevel {
    GraphLevel(name: name, isBody: isBody, keepsOlderForms: keepsOlderForms)
  }

  func opsetVersions(_ imports: [Onnx_OperatorSetIdProto]) throws -> [ByteString: Int] {
    var versions: [ByteString: Int] = [:]
    for entry in imports {
      let domain = canonicalDomain(entry.domain)
      let version = Int(entry.version)
      guard version >= 1 else {
        throw GraftError.badData("imports version \(version) of the operator set '\(domain)'")
      }
      guard !domain.isEmpty || version <= ONNXImporter.newestOpset else {
        throw GraftError.unsupported(
          "uses opset \(version) of ai.onnx; opsets up to \(ONNXImporter.newestOpset) can be read",
          hint: "Export the model at a lower opset, or convert it with onnx.version_converter")
      }
      versions[domain] = max(versions[domain] ?? 0, version)
    }
    return versions
  }
}

/// ONNX's own domain has two spellings.
func canonicalDomain(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }

func dictionary(_ entries: [Onnx_StringStringEntryProto]) -> [ByteString: String] {
  Dictionary(entries.map { (ByteString($0.key), $0.value) }, uniquingKeysWith: { _, last in last })
}
