import GraftData
import GraftFiles
import GraftVision

extension Recipe: RecipeSection {
  /// All settings, in their order in files.
  package static let settings = networkSettings + imageSettings + trainingSettings + exportSettings

  private static let networkSettings: [RecipeSetting<Recipe>] = [
    .withDefault(
      "model", \.model,
      "The trunk: a name from `graft models list`, an ONNX file, or Keras weights",
      .named("the name of a model or file")),
    .required("from_scratch", \.fromScratch),
    .optional(
      "weights", \.weights, "Weights to use instead of the official ones of a named model.",
      .named("the name of a file")),
    .optional(
      "cut", \.cut,
      "The node whose output the head reads (default: the one before the last layer).",
      .named("the name of a node or value")),
    .withDefault(
      "head", \.head,
      """
      The head's layers: gmp, gap, flatten, normalization, dropout(P), \
      dense(UNITS,ACTIVATION,l2=X), dense(classes); or keep, for the network's own
      """, .read { try HeadSpecification($0) }),
  ]

  private static let imageSettings: [RecipeSetting<Recipe>] = [
    .optional(
      "image_size", \.imageSize, "64 (both sides) or 320x240 (default: the trunk's own).",
      .read { try ImageSize(text: $0) }),
    .optional(
      "preprocess", \.preprocess,
      "keras-caffe, keras-tf, torch, unit or none (default: the trunk's own).",
      .read { try Preprocessing.Scheme(named: $0) }),
    .optional(
      "resize", \.resize,
      "224 (both sides), 320x240, shorter:256, or none (default: the trunk's own).",
      .read { try Preprocessing.parseResize($0) }),
    .optional(
      "crop", \.crop,
      """
      224, 320x240 or none: the central crop after resizing (default: the trunk's own, limited by \
      --resize).
      """, .read { try Preprocessing.parseCrop($0) }),
    .optional(
      "interpolation", \.interpolation,
      "nearest, bilinear, bicubic or tf-bilinear (default: the trunk's own).",
      .read { try Interpolation(named: $0) }),
    .optional(
      "ignore_orientation", \.ignoreOrientation,
      """
      Use images as stored, like Keras, instead of rotating them upright (default: like the \
      trunk, otherwise upright).
      """),
    .optional(
      "augment", \.augment,
      """
      Random changes of training images, or none: \
      \(AugmentationPipeline.usages.joined(separator: "; ")) (default: none).
      """, .read { try AugmentationPipeline($0) }, valueName: "changes"),
    .optional(
      "cached_augmentations", \.cachedAugmentations,
      """
      Cycle through this many fixed variants of each image, and cache the frozen trunk's features \
      of them (default: new variants in each epoch).
      """, .from(1...1000), valueName: "variants"),
  ]

  private static let trainingSettings: [RecipeSetting<Recipe>] = [
    .withDefault(
      "split", \.split, "Percentages for training, validation and test, such as 70,15,15",
      .read { try SplitShares($0) }),
    .withDefault("batch_size", \.batchSize, "Images per step", .from(1...65536)),
    .withDefault("seed", \.seed, "The seed of all random choices", .from(0...UInt64.max)),
    .required(
      "shuffle", \.shuffle, "Give each epoch its own order of images (default: --shuffle)."),
    .optional(
      "loss", \.loss,
      """
      \(Losses.usages.joined(separator: "; ")) (default: \(BinaryCrossEntropy.name) for two \
      classes, \(SoftmaxCrossEntropy.name) for more).
      """, .read { try Losses.named($0) }),
    .optional(
      "class_weights", \.classWeights,
      "Factors for the losses of classes: balanced, or cat=1,dog=2.5 (default: 1 for all).",
      .read { try ClassWeights.parse($0) }),
    .optional(
      "gradient_clipping", \.gradientClipping,
      "A limit for gradients: value(0.5), norm(1) or global_norm(1) (default: none).",
      .read { try GradientClipping.named($0) }),
    .withDefault(
      "accumulation_steps", \.accumulationSteps,
      "Steps whose gradients are averaged for one update of the weights", .from(1...65536)),
    .optional(
      "learning_rate_factors", \.learningRateFactors,
      "Factors for the learning rates of blocks and layers: block4=0.1,block5=0.3 (default: 1).",
      .read { try LearningRateFactors($0) }),
    .optional(
      "early_stopping", \.earlyStopping,
      """
      End a phase after this many epochs without a smaller (validation) loss, and use its best \
      epoch (default: run all epochs).
      """, .from(1...1_000_000), valueName: "patience"),
    .optional("precision", \.precision),
  ]

  private static let exportSettings: [RecipeSetting<Recipe>] = [
    .optional(
      "export_type", \.exportType,
      """
      float32 (the default) or float16: the type of weights and computation in model.onnx. Inputs \
      and outputs stay float32.
      """),
    .optional(
      "fold_normalization", \.foldNormalization,
      "Fold BatchNormalization into the layers before it in model.onnx."),
    .optional(
      "export_training_checkpoint", \.exportTrainingCheckpoint,
      "Also write training.onnx, with dropout and logits, for more training with --head keep."),
    RecipeSetting(
      key: "phases", help: "", valueName: nil, path: \.phases, separator: ";",
      set: { try $0.setPhases($1, from: $2) }, node: { .sequence($0.phases.map(\.node)) },
      check: { try $0.checkPhases() }),
  ]

  /// A default for the help: that of `graft finetune`, and that of `graft train` if it differs.
  fileprivate static func defaults(_ value: (Recipe) -> String) -> String {
    let (finetune, train) = (value(Recipe()), value(.defaults(fromScratch: true)))
    return finetune == train
      ? "default: \(finetune)" : "default: \(finetune); for graft train: \(train)"
  }
}

extension RecipeSetting<Recipe> {
  /// A setting with a value in every recipe; its help ends with the default.
  fileprivate static func withDefault<Value: RecipeValue>(
    _ key: String, _ path: any WritableKeyPath<Recipe, Value> & Sendable, _ help: String,
    _ form: RecipeForm<Value> = RecipeForm()
  ) -> RecipeSetting {
    .required(key, path, "\(help) (\(Recipe.defaults { "\($0[keyPath: path])" })).", form)
  }
}

extension RecipeForm<String> {
  /// Any text but an empty one, which probably is that of an unset variable.
  fileprivate static func named(_ description: String) -> RecipeForm {
    RecipeForm(description: description, accepts: { !$0.trimmed.isEmpty })
  }

  /// Parts of a network.
  fileprivate static var parts: RecipeForm {
    RecipeForm(
      description: "all, none, or names separated by commas",
      accepts: { text in
        text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy {
          !$0.trimmed.isEmpty
        }
      })
  }
}

// MARK: - Phases

extension Recipe.Phase: RecipeSection {
  /// All settings of a phase, in their order in files.
  package static let settings: [RecipeSetting<Recipe.Phase>] = [
    .inPhases(
      "unfreeze", \.unfreeze,
      "What to train besides the head: all, none, or names; one per phase, separated by ;",
      .parts),
    .optional(
      "freeze", \.freeze,
      """
      What not to train, of the parts in --unfreeze or otherwise of the whole network: \
      block1,block2, all, or none; one per phase, separated by ; (default: none).
      """, .parts),
    .inPhases("epochs", \.epochs, "Epochs of each phase, such as 20,10", .from(0...1_000_000)),
    .inPhases(
      "learning_rate", \.learningRate, "Learning rate of each phase, such as 3e-4,1e-6",
      .from(0...1_000_000)),
    .inPhases(
      "optimizer", \.optimizer,
      oneOrMore + Optimizers.usages.joined(separator: "; "),
      .read { try Optimizers.named($0) }),
    .inPhases(
      "schedule", \.schedule,
      oneOrMore + Schedules.usages.joined(separator: "; "),
      .read { try Schedules.named($0) }),
  ]

  private static let oneOrMore = "One for all phases, or one per phase, separated by ;: "
}

extension RecipeSetting<Recipe.Phase> {
  /// A setting with a value in every phase; its help ends with the defaults.
  fileprivate static func inPhases<Value: RecipeValue>(
    _ key: String, _ path: any WritableKeyPath<Recipe.Phase, Value> & Sendable, _ help: String,
    _ form: RecipeForm<Value> = RecipeForm()
  ) -> RecipeSetting {
    let separator = Value.self == String.self ? ";" : ","
    let defaults = Recipe.defaults { recipe in
      let values = recipe.phases.map { "\($0[keyPath: path])" }
      return Set(values).count == 1 ? values[0] : values.joined(separator: separator)
    }
    return .required(key, path, "\(help) (\(defaults)).", form)
  }
}

extension Recipe {
  /// What an entry leaves out has the value of the same phase so far, or of the last one.
  private mutating func setPhases(_ node: YAMLNode, from source: SettingSource) throws {
    let hint = "Use lines such as '- epochs: 5'"
    guard case .sequence(let elements) = node else {
      throw GraftError.usage("'phases' must be a list", hint: hint)
    }
    try Recipe.requirePhases(elements.count)
    let old = phases
    phases = try elements.enumerated().map { index, element in
      guard case .mapping(let properties) = element else {
        throw GraftError.usage("phase \(index + 1) has no properties", hint: hint)
      }
      var phase = index < old.count ? old[index] : old.last ?? Phase()
      // A phase that names frozen parts trains the rest.
      if properties.contains(where: { $0.key == "freeze" }) { phase.unfreeze = "all" }
      try phase.set(properties, from: source)
      return phase
    }
  }

  static let phaseLimit = 100

  private static func requirePhases(_ count: Int) throws {
    guard count > 0 else {
      throw GraftError.usage("the recipe has no phases", hint: "Add one, such as '- epochs: 5'")
    }
    guard count <= phaseLimit else {
      throw GraftError.usage("there are \(count) phases", hint: "Use at most \(phaseLimit)")
    }
  }

  private func checkPhases() throws {
    try Recipe.requirePhases(phases.count)
    for (number, phase) in phases.enumerated() {
      try withPlace("phase \(number + 1)") {
        for setting in Phase.settings { try setting.check(phase) }
      }
    }
  }
}
