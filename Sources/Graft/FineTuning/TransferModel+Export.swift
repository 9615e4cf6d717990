import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTraining
import GraftVision

extension TransferModel {
  /// The network for inference: probabilities instead of logits, with preprocessing and class names
  /// in its metadata.
  ///
  /// For two classes the output is `[N, 1]`, the probability of the second class; for more, `[N,
  /// K]`.
  /// - Throws: `GraftError` if weights are too large for the exported type
  package func inferenceGraph(
    _ preprocessing: Preprocessing, _ options: ExportOptions = ExportOptions()
  ) throws -> Graph {
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
    graph.removeDropouts()
    try graph.foldFeatureNormalization()
    for index in graph.nodes.indices { graph.nodes[index].removeTrainingMarks() }
    if options.foldsNormalization {
      while try ChannelAffineFolding.run(&graph) {}
      graph.removeUnreadConstants()
    }
    if options.precision == .float16 { graph = try graph.withHalfPrecision() }
    describe(&graph, preprocessing)
    try graph.inferTypes()
    return graph
  }

  /// The network for `--head keep`, with dropout and logits as in training.
  package func trainingGraph(_ preprocessing: Preprocessing) throws -> Graph {
    var graph = graph
    describe(&graph, preprocessing)
    try graph.inferTypes()
    return graph
  }

  private func describe(_ graph: inout Graph, _ preprocessing: Preprocessing) {
    graph.metadata = ClassMetadata.updated(
      graph.metadata, classNames: classNames, imageSize: preprocessing.fixedSize)
    for (key, value) in preprocessing.metadata { graph.metadata[key] = value }
    graph.metadata[Labels.metadataKey] = Labels(names: classNames).metadataValue
  }
}

extension Graph {
  /// Bypasses Dropout nodes, which do nothing in inference.
  fileprivate mutating func removeDropouts() {
    var replaced: [ValueID: ValueID] = [:]
    for node in nodes where node.is(Dropout.self) {
      if let output = node.outputs.first ?? nil, let input = node.inputs.first ?? nil {
        replaced[output] = replaced[input] ?? input
      }
    }
    nodes.removeAll { $0.is(Dropout.self) }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { $0.map { replaced[$0] ?? $0 } }
    }
    outputs = outputs.map { replaced[$0] ?? $0 }
    removeUnreadConstants()
  }

  fileprivate mutating func removeUnreadConstants() {
    let read = useCounts()
    for id in constants.keys where read[id] == nil { constants[id] = nil }
  }
}
