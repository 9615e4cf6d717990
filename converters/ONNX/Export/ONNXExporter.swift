import GraftFiles
import GraftGraph
import GraftOperators

/// Writes native graphs as ONNX models, at the lowest opset and IR version that express them.
///
/// Weights are written straight from where they are, usually a mapped file. Parameters become
/// initializers. Training additions have no ONNX form. Functions that stay functions keep the opset
/// of their file, which the model then has, too.
package struct ONNXExporter {
  /// The opset of `ai.onnx` to write; `nil` for the lowest possible.
  package var opset: Int?
  /// Writes the weights to a file next to the model (``ExternalDataFile``). Models beyond 2 GiB,
  /// the limit of protocol buffers, always do so.
  package var usesExternalData: Bool

  package init(opset: Int? = nil, usesExternalData: Bool = false) {
    self.opset = opset
    self.usesExternalData = usesExternalData
  }

  /// Writes a model, and its weights to a separate file where needed. At any moment a reader finds
  /// either the complete old model or the complete new one.
  ///
  /// - Returns: the path of the weight file; `nil` if the weights are in the model
  /// - Throws: `GraftError` naming the node if no opset, or not the chosen one, can express it, or
  ///   if writing fails; in both cases no file has appeared or changed
  @discardableResult
  package func write(_ graph: Graph, to path: String) throws -> String? {
    let form = try form(of: graph)
    let name = FilePath.name(of: path)
    if !usesExternalData {
      let (message, _) = try encode(form, externalFile: nil)
      if message.byteCount <= Self.largestMessage {
        try write(message, to: path)
        return nil
      }
    }
    // The offsets of the weights do not depend on the file's name.
    let (inner, placement) = try encode(form, externalFile: name)
    if placement.external.isEmpty {
      try write(inner, to: path)
      return nil
    }
    let data = try ExternalDataFile(beside: path)
    for (tensor, _) in placement.external {
      try data.file.pad(to: WeightPlacement.alignment)
      try tensor.withPackedBytes { try data.file.write($0) }
    }
    let dataName = try data.chooseName()
    let (message, _) = try encode(form, externalFile: dataName)
    let model = try modelFile(message, path)
    try data.commit(with: model)
    return FilePath.path(dataName, in: FilePath.folder(of: path))
  }

  private func write(_ message: SegmentedMessage, to path: String) throws {
    try ExternalDataFile.replacing(path) { try modelFile(message, path).commit() }
  }

  private func modelFile(_ message: SegmentedMessage, _ path: String) throws -> AtomicFile {
    guard message.byteCount <= Self.largestMessage else {
      throw GraftError.unsupported(
        "takes \(message.byteCount) bytes without its weights; protocol buffers allow 2 GiB",
        hint: nil)
    }
    let model = try AtomicFile(path: path)
    try message.forEachPiece { try model.write($0) }
    return model
  }

  /// The model's bytes, weights included.
  package func bytes(_ graph: Graph) throws -> [UInt8] {
    let form = try form(of: graph)
    let (message, _) = try encode(form, externalFile: nil)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(message.byteCount)
    try message.forEachPiece { bytes += $0 }
    return bytes
  }

  private static let largestMessage = Int(Int32.max)

  /// The graph in the form of the opset to write.
  private func form(of graph: Graph) throws -> OpsetSelection {
    var graph = graph
    // The specification requires a type for each output; graphs built in code may lack some.
    try graph.inferMissingTypes()
    try graph.validate()
    return try OpsetSelection(graph, override: opset)
  }

  private func encode(
    _ form: OpsetSelection, externalFile: String?
  ) throws -> (SegmentedMessage, WeightPlacement) {
    let graph = form.graph
    var encoder = GraphEncoder(placement: WeightPlacement(externalFile: externalFile))
    let graphMessage = try encoder.message(graph, outer: nil)

    let provenance = graph.provenance
    var model = Onnx_ModelProto()
    model.irVersion = Int64(form.irVersion)
    model.opsetImport = opsets(graph, form.opset)
    // A graph without provenance was built by Graft.
    let isOwn = provenance == Graph.Provenance()
    if isOwn || !provenance.producerName.isEmpty {
      model.producerName = isOwn ? "graft" : provenance.producerName
    }
    if !provenance.producerVersion.isEmpty { model.producerVersion = provenance.producerVersion }
    if !provenance.domain.isEmpty { model.domain = provenance.domain }
    if provenance.modelVersion != 0 { model.modelVersion = Int64(provenance.modelVersion) }
    if !provenance.documentation.isEmpty { model.docString = provenance.documentation }
    model.metadataProps = entries(graph.metadata)

    var message = try SegmentedMessage(model)
    message.append(field: 7, graphMessage)
    for function in graph.calledFunctions {
      guard let definition = function.definition as? SegmentedMessage else {
        throw GraftError(.software, "the function '\(function.name.qualifiedName)' is no message")
      }
      message.append(field: 25, definition)
    }
    return (message, encoder.placement)
  }

  private func opsets(_ graph: Graph, _ opset: Int) -> [Onnx_OperatorSetIdProto] {
    var versions = graph.domainVersions
    for domain in graph.domains where versions[domain] == nil { versions[domain] = 1 }
    versions[""] = opset
    return versions.sorted { $0.key < $1.key }.map { domain, version in
      var entry = Onnx_OperatorSetIdProto()
      entry.domain = domain.text
      entry.version = Int64(version)
      return entry
    }
  }
}

extension Graph {
  /// The domains of the nodes, including those in bodies.
  var domains: Set<ByteString> {
    nodes.reduce(into: []) { domains, node in
      domains.insert(ByteString(node.domain))
      for body in node.bodies { domains.formUnion(body.domains) }
    }
  }
}
