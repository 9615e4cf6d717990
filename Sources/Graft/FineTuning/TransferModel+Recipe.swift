import GraftFiles
import GraftGraph
import GraftPasses
import GraftTraining
import GraftVision

extension TransferModel {
  /// The trunk that a recipe names with its head on it, how images are prepared for it, and whether neither the recipe
  /// nor the network says so.
  ///
  /// - Parameter remark: told what was assumed
  /// - Throws: `GraftError` if the trunk cannot be read, or does not fit the recipe.
  package static func make(
    _ recipe: Recipe, classNames: [String], remark: @escaping (String) -> Void
  ) throws -> (
    model: TransferModel, preprocessing: Preprocessing, isPreparationAssumed: Bool
  ) {
    let head = try HeadSpecification(recipe.head)
    let loaded =
      try recipe.fromScratch
      ? ModelLoader.randomTrunk(recipe.model, seed: recipe.seed &+ 1)
      : ModelLoader(weights: recipe.weights, includeTop: head.keepsOwn, remark: remark)
        .graph(recipe.model)
    return try withPlace(recipe.model) {
      var trunk = loaded
      if head.keepsOwn {
        guard recipe.cut == nil else {
          throw GraftError.usage("a network whose head is kept is not cut", hint: "Leave --cut out")
        }
        try trunk.requireClasses(classNames)
        try trunk.removeProbabilities()
      } else if recipe.cut != nil || loaded.metadata[ModelLoader.featuresKey] == nil {
        trunk = try loaded.cutTrunk(at: recipe.cut)
        if let output = trunk.outputs.first {
          let names = [trunk[output].name, trunk.producers()[output].map { trunk.nodes[$0].name }]
          // What was not named outright is said.
          if recipe.cut == nil || !names.contains(recipe.cut) {
            remark("the head reads '\(trunk[output].name)' (--cut NAME changes that)")
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
      let (preprocessing, isAssumed) = try preprocessing(for: trunk, recipe, remark: remark)
      guard let size = preprocessing.fixedSize else {
        throw GraftError.usage(
          "the size of images is open", hint: "Give one with --image-size, such as 224")
      }
      let model = try TransferModel(
        trunk: trunk,
        image: ImageExtents(
          channels: preprocessing.channelCount, height: size.height, width: size.width),
        head: head, classNames: classNames, seed: recipe.seed)
      if model.leavesPoolingOut {
        remark("the network's features are vectors already; the head's pooling is left out")
      }
      if model.trainingModeCount > 0 {
        remark(
          "the network was exported in training mode; its BatchNormalization and Dropout layers run in "
            + "inference mode, with their running statistics, where they are frozen, and in model.onnx"
        )
      }
      if model.takesOneImage {
        remark("the network takes one image at a time; its frozen part runs image by image")
      }
      return (model, preprocessing, isAssumed)
    }
  }

  /// What the recipe says, else the trunk's own, else an assumption.
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
    if let text = recipe.imageSize {
      guard let size = ImageSize(text: text) else {
        throw GraftError.usage("'\(text)' is no size of images", hint: "Write 64 or 320x240")
      }
      // Where the trunk is of convolutions, the size that its file names need not be kept.
      input.size = size
    }
    var isAssumed = false
    let preprocessing = try input.preprocessing(of: trunk, choices) { scheme in
      isAssumed = true
      remark(
        "the network does not say how images are prepared; assuming '\(scheme.rawValue)' (--preprocess)"
      )
    }
    return (preprocessing, isAssumed)
  }
}

extension Graph {
  /// - Throws: `GraftError` if the network has names for its classes, and they are others.
  fileprivate func requireClasses(_ names: [String]) throws {
    guard let own = try Labels(metadata: metadata, classCount: nil)?.names else { return }
    guard own == names else {
      throw GraftError.usage(
        "the network's classes are \(own.prefix(10).joined(separator: ", ")), and those of the images "
          + names.prefix(10).joined(separator: ", "), hint: "Put a new head on it with --head")
    }
  }

  /// Makes the scores the output where probabilities are, as losses are taken from scores.
  fileprivate mutating func removeProbabilities() throws {
    guard let output = outputs.first, let producer = producers()[output] else { return }
    let node = nodes[producer]
    guard ["Softmax", "Sigmoid"].contains(node.qualifiedType), let scores = node.inputs.first ?? nil
    else { return }
    outputs = [scores]
    _ = try DeadNodeElimination.run(&self)
  }
}
