import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTraining
import GraftVision

extension TransferModel {
  /// The recipe's trunk with its head, the preprocessing, and whether the latter is an assumption.
  ///
  /// - Parameter remark: receives assumptions that were made
  /// - Throws: `GraftError` if the trunk cannot be read, or does not match the recipe
  package static func make(
    _ recipe: Recipe, classNames: [String], remark: @escaping (String) -> Void
  ) throws -> (
    model: TransferModel, preprocessing: Preprocessing, isPreparationAssumed: Bool
  ) {
    let head = try HeadSpecification(recipe.head)
    let loaded = try recipe.using("weights", "model") {
      try recipe.fromScratch
        ? ModelLoader.randomTrunk(recipe.model, seed: recipe.seed &+ 1)
        : ModelLoader(weights: recipe.weights, includeTop: head.keepsNetworkHead, remark: remark)
          .graph(recipe.model)
    }
    return try recipe.usingModel {
      var trunk = loaded
      if head.keepsNetworkHead {
        try recipe.using("cut", "head") {
          guard recipe.cut == nil else {
            throw GraftError.usage("--cut cannot be combined with --head keep", hint: "Omit --cut")
          }
        }
        try recipe.using("head") { try trunk.requireClasses(classNames) }
        try trunk.removeProbabilities()
      } else if recipe.cut != nil || loaded.metadata[ModelLoader.featuresKey] == nil {
        trunk = try recipe.using("cut") { try loaded.cutTrunk(at: recipe.cut) }
        if let output = trunk.outputs.first {
          let names = [trunk[output].name, trunk.producers()[output].map { trunk.nodes[$0].name }]
          // Mentions a choice that was not named exactly.
          if recipe.cut == nil || !names.contains(recipe.cut) {
            remark("the head reads '\(trunk[output].name)' (override with --cut NAME)")
          }
        }
      }
      if let shape = trunk.inputs.first.flatMap({ trunk[$0].type?.tensor?.shape }),
        try ImageInput(trunk).layout == .channelsLast
      {
        trunk = try trunk.withSeparateWeights().withChannelsFirst(shape)
      }
      trunk.metadata[ModelLoader.featuresKey] = nil
      trunk.metadata[Labels.metadataKey] = nil
      trunk.metadata[Scores.metadataKey] = nil
      trunk.metadata[ByteString(InDistributionRule.outputKey)] = nil
      trunk.metadata[ByteString(InDistributionRule.thresholdKey)] = nil
      let (preprocessing, isAssumed) = try recipe.using("crop", "resize", "preprocess") {
        try Self.preprocessing(for: trunk, recipe, remark: remark)
      }
      guard let size = preprocessing.fixedSize else {
        throw GraftError.usage(
          "the image size is unknown", hint: "Set it with --image-size, such as 224")
      }
      let model = try TransferModel(
        trunk: trunk,
        image: ImageExtents(
          channels: preprocessing.channelCount, height: size.height, width: size.width),
        head: head, classNames: classNames, seed: recipe.seed, recipe: recipe)
      if model.leavesPoolingOut {
        remark("the network's features are already vectors; the head's pooling is omitted")
      }
      if model.trainingModeCount > 0 {
        remark(
          "the network was exported in training mode; where its BatchNormalization and Dropout "
            + "layers are frozen, and in model.onnx, they run in inference mode with their "
            + "running statistics")
      }
      if model.takesOneImage {
        remark("the network takes one image at a time, and so does its frozen part")
      }
      return (model, preprocessing, isAssumed)
    }
  }

  /// - Throws: `GraftError` if there is no trunk with the recipe's name
  package static func findTrunk(of recipe: Recipe) throws {
    try recipe.using("weights", "model") {
      if recipe.fromScratch {
        _ = try ScratchArchitecture.named(recipe.model)
      } else {
        try ModelLoader(weights: recipe.weights).find(recipe.model)
      }
    }
  }

  /// From the recipe, else the trunk, else an assumption.
  private static func preprocessing(
    for trunk: Graph, _ recipe: Recipe, remark: (String) -> Void
  ) throws -> (Preprocessing, isAssumed: Bool) {
    var input = try ImageInput(trunk)
    var choices = Preprocessing.Choices()
    choices.scheme = try recipe.preprocess.map { try Preprocessing.Scheme(named: $0) }
    choices.resize = try recipe.resize.map { try Preprocessing.parseResize($0) }
    choices.crop = try recipe.crop.map { try Preprocessing.parseCrop($0) }
    choices.interpolation = try recipe.interpolation.map { try Interpolation(named: $0) }
    choices.appliesOrientation = recipe.ignoreOrientation.map { !$0 }
    // A convolutional trunk can have another size than in its file.
    if let text = recipe.imageSize { input.size = try ImageSize(text: text) }
    var isAssumed = false
    let preprocessing = try input.preprocessing(of: trunk, choices) { scheme in
      isAssumed = true
      remark(
        "the network does not define how to prepare images; assuming '\(scheme.rawValue)' "
          + "(--preprocess)")
    }
    return (preprocessing, isAssumed)
  }
}

extension Graph {
  /// - Throws: `GraftError` if the network has class names, and they differ
  fileprivate func requireClasses(_ names: [String]) throws {
    guard let own = try Labels(metadata: metadata, classCount: nil)?.names else { return }
    guard own == names else {
      throw GraftError.usage(
        "the network's classes are \(own.prefix(10).joined(separator: ", ")); those of the "
          + "images are " + names.prefix(10).joined(separator: ", "),
        hint: "Put a new head on it with --head")
    }
  }

  /// Makes the logits the output instead of probabilities, since losses are computed from logits.
  fileprivate mutating func removeProbabilities() throws {
    guard let output = outputs.first, let producer = producers()[output] else { return }
    let node = nodes[producer]
    guard node.is(Softmax.self) || node.is(Sigmoid.self), let scores = node.inputs.first ?? nil
    else { return }
    outputs = [scores]
    _ = try DeadNodeElimination.run(&self)
  }
}
