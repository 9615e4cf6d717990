import GraftONNX
import GraftRuntime
import GraftTraining
import GraftVision

extension TransferModel {
  /// The network as others use it: probabilities instead of logits, preprocessing and class names in its metadata.
  ///
  /// For two classes the output is `[N, 1]`, the probability of the second class; for more, `[N, K]`.
  package func inferenceGraph(_ preprocessing: Preprocessing) throws -> Graph {
    var graph = graph
    guard let logits = graph.outputs.first else {
      throw GraftError(.software, "the model has no outputs")
    }
    let probabilities =
      isBinary
      ? graph.addNode("Sigmoid", name: "head/sigmoid", [logits], outputName: "probabilities")
      : graph.addNode(
        "Softmax", name: "head/softmax", [logits], attributes: ["axis": .int(1)],
        outputName: "probabilities")
    graph.outputs = [probabilities]
    for index in graph.nodes.indices { graph.nodes[index].metadata[TrainingForm.headMark] = nil }
    graph.removeDropouts()
    for (key, value) in preprocessing.metadata { graph.metadata[key] = value }
    graph.metadata[Labels.metadataKey] = Labels(names: classNames).metadataValue
    try graph.inferTypes()
    return graph
  }

  /// Writes ``inferenceGraph(_:)`` as ONNX, beside the file first.
  package func export(to path: String, _ preprocessing: Preprocessing) throws {
    try ONNXExporter().write(inferenceGraph(preprocessing), to: path)
  }
}

extension Graph {
  /// Readers of a Dropout read its input: it does nothing in inference.
  fileprivate mutating func removeDropouts() {
    var replaced: [ValueID: ValueID] = [:]
    for node in nodes where node.qualifiedType == "Dropout" {
      if let output = node.outputs.first ?? nil, let input = node.inputs.first ?? nil {
        replaced[output] = replaced[input] ?? input
      }
    }
    nodes.removeAll { $0.qualifiedType == "Dropout" }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { $0.map { replaced[$0] ?? $0 } }
    }
    outputs = outputs.map { replaced[$0] ?? $0 }
    let read = Set(nodes.flatMap(\.inputs).compactMap { $0 } + outputs)
    for id in constants.keys where !read.contains(id) { constants[id] = nil }
  }
}
