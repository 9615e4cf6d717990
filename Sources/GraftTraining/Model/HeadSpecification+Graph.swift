import GraftData
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTensor

extension HeadSpecification {
  /// The nodes of a head in a graph.
  package struct Built: Sendable {
    /// `[N, K]`, logits.
    package var scores: ValueID
    /// The weights of each dense layer: kernel and bias.
    package var weights: [ValueID] = []
    package var penalties: [ValueID: WeightPenalty] = [:]
    /// The normalization to adapt to the training images.
    package var normalization: FeatureNormalization?
    /// Whether pooling at the start of the head was omitted, because the features are vectors.
    package var leavesPoolingOut = false
  }

  /// Appends the layers. Kernels have Glorot's uniform distribution, biases are zero, as in Keras.
  ///
  /// A linear classifier of normalized features starts at zero: its loss has one minimum, which a
  /// small dataset's few steps would not reach from random weights.
  ///
  /// Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
  /// networks" (2010)
  /// - Parameters:
  ///   - features: `[N, C, H, W]` or `[N, C]`, with known extents except N
  ///   - scoreCount: the units of the last layer
  /// - Throws: `GraftError` if the layers do not fit the features
  package func append(
    to graph: inout Graph, features: ValueID, scoreCount: Int,
    using generator: inout SeededGenerator
  ) throws -> Built {
    guard !keepsNetworkHead else {
      return try HeadSpecification.own(of: graph, scoreCount: scoreCount)
    }
    var built = Built(scores: features)
    var number = 0
    for (index, layer) in layers.enumerated() {
      try graph.inferTypes()
      guard let shape = graph[built.scores].type?.tensor?.shape, shape.count >= 2 else {
        throw GraftError.badData(
          "the head cannot read '\(graph[built.scores].name)', which has no known shape",
          hint: "Read another output with --cut")
      }
      switch layer {
      case .globalMaxPool, .globalAveragePool:
        let isMaximum = layer == .globalMaxPool
        if index == 0, shape.count == 2 {
          built.leavesPoolingOut = true
          continue
        }
        guard shape.count > 2 else {
          throw GraftError.usage(
            "'\(isMaximum ? "gmp" : "gap")' has nothing to pool: the features have shape \(shape)",
            hint: "Omit it from --head, or cut the network earlier with --cut")
        }
        let pooled = graph.addHeadNode(
          isMaximum ? "GlobalMaxPool" : "GlobalAveragePool", "head/pool", [built.scores])
        built.scores = graph.addHeadNode("Flatten", "head/pool/flatten", [pooled])
      case .flatten: built.scores = graph.addHeadNode("Flatten", "head/flatten", [built.scores])
      case .normalization:
        let normalization = try FeatureNormalization(of: built.scores, in: &graph)
        built.normalization = normalization
        built.scores = normalization.output
      case .dropout(let ratio):
        let ratio = graph.addConstant(
          name: "head/dropout_\(number)/ratio", try Tensor(scalar: ratio))
        built.scores = graph.addHeadNode(
          "Dropout", "head/dropout_\(number)", [built.scores, ratio], isRandom: true)
      case .dense(let dense):
        guard shape.count == 2, let inputCount = shape[1].known else {
          throw GraftError.usage(
            "'dense' requires one vector for each image, but its input has shape \(shape)",
            hint: shape.count == 2
              ? "Set the image size with --image-size"
              : "Put gmp, gap or flatten before it")
        }
        number += 1
        let unitCount = dense.units ?? scoreCount
        let kernelShape = [inputCount, unitCount]
        let isLinearClassifier = dense.units == nil && readsNormalization(layers[..<index])
        let kernel =
          try isLinearClassifier
          ? Tensor(zeros: .float, shape: kernelShape)
          : Tensor(glorotUniform: kernelShape, using: &generator)
        let name = "head/dense_\(number)"
        let weights = graph.addConstant(name: "\(name)/kernel", kernel)
        let bias = graph.addConstant(
          name: "\(name)/bias", try Tensor(zeros: .float, shape: [unitCount]))
        built.weights += [weights, bias]
        built.scores = graph.addHeadNode("Gemm", name, [built.scores, weights, bias])
        if dense.penalty != WeightPenalty() {
          built.penalties[weights] = dense.penalty
          graph.nodes[graph.nodes.count - 1].metadata[WeightPenalty.mark] = dense.penalty.text
        }
        if let activation = dense.activation {
          built.scores = graph.addHeadNode(
            activation, "\(name)/\(activation.lowercased())", [built.scores])
        }
      }
    }
    graph[built.scores].name = "logits"
    try graph.inferTypes()
    return built
  }
}

extension HeadSpecification {
  /// The network's own last layer, which scores the classes, and the penalties that its nodes are
  /// marked with.
  private static func own(of graph: Graph, scoreCount: Int) throws -> Built {
    guard let scores = graph.outputs.first,
      graph[scores].type?.tensor?.shape?.dropFirst().map(\.known) == [scoreCount]
    else {
      let shape = graph.outputs.first.flatMap { graph[$0].type?.tensor?.shape }
      throw GraftError.usage(
        "the network's scores have \(shape.map { "shape \($0)" } ?? "no known shape"), but the "
          + "classes require [N, \(scoreCount)]",
        hint: "Put a new head on it: --head gmp,dense(classes)")
    }
    var built = Built(scores: scores)
    var features = try graph.cutTrunk(at: nil).outputs.first
    for node in graph.nodes {
      if FeatureNormalization.isMarked(node) {
        if node.inputs.first == .some(features) { features = node.outputs.first ?? nil }
        continue
      }
      let weights = node.inputs.dropFirst().compactMap { $0 }.filter {
        graph.constants[$0]?.elementType == .float
      }
      if node.inputs.first == .some(features), !node.is(Dropout.self) {
        built.weights += weights
      }
      if let text = node.metadata[WeightPenalty.mark], let first = weights.first {
        built.penalties[first] = try withPlace(graph.label(node)) {
          try WeightPenalty(text: text)
        }
      }
    }
    return built
  }
}

/// Whether a later layer reads normalized features, or some of them.
private func readsNormalization(_ layers: ArraySlice<HeadSpecification.Layer>) -> Bool {
  let last = layers.last { if case .dropout = $0 { false } else { true } }
  return last == .normalization
}

extension Graph {
  /// - Parameter isRandom: whether the node is random in training, so that its output cannot be
  ///   cached
  fileprivate mutating func addHeadNode(
    _ operatorType: String, _ name: String, _ inputs: [ValueID?], isRandom: Bool = false
  ) -> ValueID {
    let output = addNode(operatorType, name: name, inputs, outputName: "\(name)/output")
    if isRandom { nodes[nodes.count - 1].metadata[TrainingForm.headMark] = "1" }
    return output
  }
}

extension Tensor {
  /// A kernel [inputs, units] with Glorot's uniform distribution.
  fileprivate init(glorotUniform shape: [Int], using generator: inout SeededGenerator) throws {
    let limit = (6 / Double(shape[0] + shape[1])).squareRoot()
    let values = (0..<shape[0] * shape[1]).map { _ in
      Float((2 * generator.nextUnit() - 1) * limit)
    }
    try self.init(values, shape: shape)
  }
}
