import GraftData
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor

/// A trunk with a head, in inference form: `[N, C, H, W]` to logits `[N, K]`.
///
/// All weights are constants; ``graph(training:)`` makes some of them parameters.
package struct TransferModel: Sendable {
  package internal(set) var graph: Graph
  package let classNames: [String]
  /// Whether there is one score, whose sigmoid is the probability of the second class.
  package let isBinary: Bool
  package let penalties: [ValueID: WeightPenalty]
  /// The head's weights.
  package let headWeights: [ValueID]
  /// The head's layer that is adapted to the training images before the first phase.
  let normalization: FeatureNormalization?
  /// Whether pooling at the start of the head was omitted.
  package let leavesPoolingOut: Bool
  /// Whether the trunk requires a batch of 1, so that it runs image by image.
  package let takesOneImage: Bool
  /// The number of trunk nodes that were exported in training mode, and run in inference mode while
  /// they are frozen.
  package let trainingModeCount: Int

  /// The size of the network's images.
  package struct ImageExtents: Sendable, Hashable {
    package var channels: Int
    package var height: Int
    package var width: Int

    package init(channels: Int, height: Int, width: Int) {
      self.channels = channels
      self.height = height
      self.width = width
    }
  }

  package let image: ImageExtents

  /// - Parameters:
  ///   - trunk: takes images `[N, C, H, W]`; a fixed batch is made free; its first output is the
  ///     features
  ///   - seed: of the head's initial weights
  ///   - recipe: whose settings errors name
  /// - Throws: `GraftError` if the trunk does not take such images, or the head does not fit
  package init(
    trunk: Graph, image: ImageExtents, head: HeadSpecification, classNames: [String],
    seed: UInt64, recipe: Recipe = Recipe()
  ) throws {
    var graph = try trunk.withFloatElements().withFloatInputs().withSeparateWeights()
    trainingModeCount = graph.leaveTrainingMode()
    guard graph.inputs.count == 1, let shape = graph[graph.inputs[0]].type?.tensor?.shape,
      shape.count == 4
    else {
      throw GraftError.unsupported("the trunk does not take a single image [N, C, H, W]")
    }
    if let channels = shape[1].known, channels != image.channels {
      throw GraftError.usage(
        "the network takes images of \(channels) channels, not \(image.channels)")
    }
    let extents = [image.channels, image.height, image.width]
    graph[graph.inputs[0]].type = .tensor(
      TensorType(.float, [shape[0]] + extents.map(Dimension.known)))
    for index in graph.values.indices where !graph.isGiven(ValueID(index)) {
      graph.values[index].type = nil
    }
    takesOneImage = try recipe.using("image_size", "resize", "crop") {
      try TransferModel.takeImages(image, shape: shape, in: &graph)
    }
    guard let features = graph.outputs.first else {
      throw GraftError.badData("the trunk has no outputs")
    }
    isBinary = classNames.count == 2
    var generator = SeededGenerator(seed: seed)
    let built = try recipe.using("head", "cut") {
      try head.append(
        to: &graph, features: features, scoreCount: classNames.count == 2 ? 1 : classNames.count,
        using: &generator)
    }
    graph.outputs = [built.scores]
    graph.defaultedInputs = []
    self.graph = graph
    self.classNames = classNames
    self.image = image
    penalties = built.penalties
    normalization = built.normalization
    headWeights = built.weights
    leavesPoolingOut = built.leavesPoolingOut
  }

  /// Gives a trunk batches of images of a size.
  ///
  /// - Parameter shape: that it declares for images
  /// - Returns: whether it requires a batch of 1
  /// - Throws: `GraftError` if it does not take images of this size
  private static func takeImages(
    _ image: ImageExtents, shape: [Dimension], in graph: inout Graph
  ) throws -> Bool {
    let extents = [image.channels, image.height, image.width]
    do {
      let takesOneImage: Bool
      (graph, takesOneImage) = try graph.forImageBatches()
      if !takesOneImage {
        graph[graph.inputs[0]].type = .tensor(
          TensorType(.float, [.symbol("N")] + extents.map(Dimension.known)))
      }
      try graph.inferTypes()
      return takesOneImage
    } catch let error as GraftError {
      let declared = Array(shape.dropFirst())
      guard declared != extents.map(Dimension.known) else { throw error }
      if declared.dropFirst().allSatisfy({ $0.known == nil }),
        let side = TransferModel.smallestSide(graph, channels: image.channels),
        side > min(image.height, image.width)
      {
        throw GraftError.usage(
          "images of \(image.width)x\(image.height) are too small for the network",
          hint: "Use images of at least \(side)x\(side): --image-size \(side)")
      }
      let shape = declared.map(\.description).joined(separator: ", ")
      throw GraftError.usage(
        "the network takes images of shape [\(shape)], not \(extents): \(error.message)",
        hint: "Omit --image-size, or cut the network earlier with --cut")
    }
  }

  /// The smallest usual side of square images that a network accepts; `nil` if it accepts none.
  private static func smallestSide(_ graph: Graph, channels: Int) -> Int? {
    [8, 16, 32, 48, 64, 96, 128, 160, 192, 224, 299, 384].first { side in
      var sized = graph
      sized[sized.inputs[0]].type = .tensor(
        TensorType(.float, [.known(1), .known(channels), .known(side), .known(side)]))
      for index in sized.values.indices where !sized.isGiven(ValueID(index)) {
        sized.values[index].type = nil
      }
      return (try? sized.inferTypes()) != nil
    }
  }

  /// The constants that training the weights changes: these, the statistics of the head's
  /// normalization, and the running statistics of normalizations whose scale is among the weights.
  func changing(training weights: Set<ValueID>) -> Set<ValueID> {
    var changed = weights.union(normalization?.adapted ?? [])
    for node in graph.nodes where node.is(BatchNormalization.self) {
      guard node.inputs.count == 5, let scale = node.inputs[1], weights.contains(scale) else {
        continue
      }
      changed.formUnion(node.inputs[3...].compactMap { $0 })
    }
    return changed
  }

  /// The graph with some weights as parameters.
  package func graph(training weights: Set<ValueID>) -> Graph {
    var graph = graph
    for id in weights { graph.parameters[id] = graph.constants.removeValue(forKey: id) }
    return graph
  }

  /// The penalties on weights for a number of training images.
  func penalties(imageCount: Int) -> [ValueID: WeightPenalty] {
    penalties.reduce(into: [:]) { resolved, entry in
      let inputCount = graph.constants[entry.key]?.shape.first ?? 1
      resolved[entry.key] = entry.value.resolved(inputCount: inputCount, imageCount: imageCount)
    }
  }

  /// The graph up to the input of the head's normalization, `[N, C]`; `nil` if the head has none.
  package var featureGraph: Graph? {
    guard let normalization else { return nil }
    var graph = graph
    graph.outputs = [normalization.features]
    return graph
  }

  /// Replaces weights by their trained values.
  package mutating func setWeights(_ values: [ValueID: Tensor]) { graph = graph.replacing(values) }
}

extension Graph {
  fileprivate func isGiven(_ id: ValueID) -> Bool {
    inputs.contains(id) || constants[id] != nil || parameters[id] != nil
  }
}
