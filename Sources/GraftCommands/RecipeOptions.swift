import ArgumentParser
import GraftFiles
import GraftTraining

/// A recipe from a file, and the options that override it.
struct RecipeOptions: ParsableArguments {
  @Option(help: "A recipe.yaml file; options override it.")
  var recipe: String?

  @Option(
    help: """
      The trunk: a name from `graft models list`, an ONNX file, or Keras weights \
      (\(Recipe.defaults { $0.model })).
      """)
  var model: String?

  @Option(help: "Weights to use instead of the official ones of a named model.")
  var weights: String?

  @Option(help: "The node whose output the head reads (default: the one before the last layer).")
  var cut: String?

  @Option(
    help: """
      The head's layers: gmp, gap, flatten, normalization, dropout(P), \
      dense(UNITS,ACTIVATION,l2=X), dense(classes); or keep, for the network's own \
      (\(Recipe.defaults { $0.head })).
      """)
  var head: String?

  @Option(help: "64 (both sides) or 320x240 (default: the trunk's own).")
  var imageSize: String?

  @Option(help: "keras-caffe, keras-tf, torch, unit or none (default: the trunk's own).")
  var preprocess: String?

  @Option(help: "224 (both sides), 320x240, shorter:256, or none (default: the trunk's own).")
  var resize: String?

  @Option(
    help: """
      224, 320x240 or none: the central crop after resizing (default: the trunk's own, limited by \
      --resize).
      """)
  var crop: String?

  @Option(help: "nearest, bilinear, bicubic or tf-bilinear (default: the trunk's own).")
  var interpolation: String?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Use images as stored, like Keras, instead of rotating them upright (default: like the \
      trunk, otherwise upright).
      """)
  var ignoreOrientation: Bool?

  @Option(
    help: ArgumentHelp(
      """
      Random changes of training images, or none: \
      \(AugmentationPipeline.usages.joined(separator: "; ")) (default: none).
      """,
      valueName: "changes"))
  var augment: String?

  @Option(
    help: ArgumentHelp(
      """
      Cycle through this many fixed variants of each image, and cache the frozen trunk's features \
      of them (default: new variants in each epoch).
      """,
      valueName: "variants"))
  var cachedAugmentations: Int?

  @Option(
    help: """
      Percentages for training, validation and test, such as 70,15,15 \
      (\(Recipe.defaults { $0.split })).
      """)
  var split: String?

  @Option(help: "Images per step (\(Recipe.defaults { "\($0.batchSize)" })).")
  var batchSize: Int?

  @Option(
    help: "The seed of all random choices (\(Recipe.defaults { "\($0.seed)" })).")
  var seed: UInt64?

  @Flag(help: "Train in the order of the data.")
  var noShuffle = false

  @Option(
    help: """
      \(Losses.usages.joined(separator: "; ")) (default: \(BinaryCrossEntropy.name) for two \
      classes, \(SoftmaxCrossEntropy.name) for more).
      """)
  var loss: String?

  @Option(
    help: """
      Factors for the losses of classes: balanced, or cat=1,dog=2.5 (default: 1 for all).
      """)
  var classWeights: String?

  @Option(
    help: "A limit for gradients: value(0.5), norm(1) or global_norm(1) (default: none).")
  var gradientClipping: String?

  @Option(
    help: """
      Steps whose gradients are averaged for one update of the weights \
      (\(Recipe.defaults { "\($0.accumulationSteps)" })).
      """)
  var accumulationSteps: Int?

  @Option(
    help: """
      Factors for the learning rates of blocks and layers: block4=0.1,block5=0.3 (default: 1).
      """)
  var learningRateFactors: String?

  @Option(
    help: ArgumentHelp(
      """
      End a phase after this many epochs without a smaller (validation) loss, and use its best \
      epoch (default: run all epochs).
      """,
      valueName: "patience"))
  var earlyStopping: Int?

  @Option(
    help:
      "Epochs of each phase, such as 20,10 (\(Recipe.defaults(ofPhases: ",") { "\($0.epochs)" })).")
  var epochs: String?

  @Option(
    help: """
      Learning rate of each phase, such as 3e-4,1e-6 \
      (\(Recipe.defaults(ofPhases: ",") { "\($0.learningRate)" })).
      """)
  var learningRate: String?

  @Option(
    help: """
      One for all phases, or one per phase, separated by ;: \
      \(Optimizers.usages.joined(separator: "; ")) \
      (\(Recipe.defaults(ofPhases: ";") { $0.optimizer })).
      """)
  var optimizer: String?

  @Option(
    help: """
      One for all phases, or one per phase, separated by ;: \
      \(Schedules.usages.joined(separator: "; ")) \
      (\(Recipe.defaults(ofPhases: ";") { $0.schedule })).
      """)
  var schedule: String?

  @Option(
    help: """
      What to train besides the head: all, none, or names; one per phase, separated by ; \
      (\(Recipe.defaults(ofPhases: ";") { $0.unfreeze })).
      """)
  var unfreeze: String?

  @Option(
    help: """
      What not to train, of the parts in --unfreeze or otherwise of the whole network: \
      block1,block2, all, or none; one per phase, separated by ; (default: none).
      """)
  var freeze: String?

  /// - Parameter defaults: the recipe without a file or options
  func makeRecipe(_ defaults: Recipe) throws -> Recipe {
    var result = try recipe.map { try Recipe(path: $0) } ?? defaults
    if let model { result.model = model }
    if let weights { result.weights = weights }
    if let cut { result.cut = cut }
    if let head { result.head = head }
    if let imageSize { result.imageSize = imageSize }
    if let preprocess { result.preprocess = preprocess }
    if let resize { result.resize = resize }
    if let crop { result.crop = crop }
    if let interpolation { result.interpolation = interpolation }
    if let ignoreOrientation { result.ignoreOrientation = ignoreOrientation }
    if let augment { result.augment = augment }
    if let cachedAugmentations { result.cachedAugmentations = cachedAugmentations }
    if let split { result.split = split }
    if let batchSize { result.batchSize = batchSize }
    if let seed { result.seed = seed }
    if noShuffle { result.shuffle = false }
    if let loss { result.loss = loss }
    if let classWeights { result.classWeights = classWeights }
    if let gradientClipping { result.gradientClipping = gradientClipping }
    if let accumulationSteps { result.accumulationSteps = accumulationSteps }
    if let learningRateFactors { result.learningRateFactors = learningRateFactors }
    if let earlyStopping { result.earlyStopping = earlyStopping }
    try setPhases(of: &result)
    try result.validate()
    return result
  }

  /// Lists of one value per phase. The longest determines the number of phases; shorter ones repeat
  /// their last value.
  private func setPhases(of recipe: inout Recipe) throws {
    let epochs = try numbers(epochs, "--epochs") { Int($0) }
    let rates = try numbers(learningRate, "--learning-rate") { Double($0) }
    let unfrozen = parts(unfreeze)
    let frozen = parts(freeze)
    let optimizers = parts(optimizer)
    let schedules = parts(schedule)
    let counts = [
      epochs.count, rates.count, unfrozen.count, frozen.count, optimizers.count, schedules.count,
    ]
    let given = counts.max() ?? 0
    guard given > 0 else { return }
    // A single value for all phases does not change their number, but a list of epochs sets it.
    let count = epochs.isEmpty ? max(given, recipe.phases.count) : max(given, epochs.count)
    let old = recipe.phases
    recipe.phases = (0..<count).map { index in
      var phase = old[min(index, old.count - 1)]
      if let value = epochs.isEmpty ? nil : epochs[min(index, epochs.count - 1)] {
        phase.epochs = value
      }
      if let value = rates.isEmpty ? nil : rates[min(index, rates.count - 1)] {
        phase.learningRate = value
      }
      if !frozen.isEmpty {
        phase.unfreeze = "all"
        phase.freeze = frozen[min(index, frozen.count - 1)]
      }
      if !unfrozen.isEmpty { phase.unfreeze = unfrozen[min(index, unfrozen.count - 1)] }
      if !optimizers.isEmpty { phase.optimizer = optimizers[min(index, optimizers.count - 1)] }
      if !schedules.isEmpty { phase.schedule = schedules[min(index, schedules.count - 1)] }
      return phase
    }
  }

  /// A note for users who make one choice of weights to train but keep the two default phases;
  /// `nil` if phases train different weights, or phases were requested.
  ///
  /// - Parameter made: the recipe that results from these options
  func phaseRemark(of made: Recipe) -> String? {
    let isOneChoice =
      [unfreeze, freeze].contains { $0 != nil }
      && [unfreeze, freeze, optimizer, schedule].allSatisfy { parts($0).count <= 1 }
      && !(learningRate ?? "").contains(",")
    let phases = made.phases.filter { $0.epochs > 0 }
    guard isOneChoice, recipe == nil, epochs == nil, phases.count == 2,
      Set(phases.map(\.selection)).count == 1
    else { return nil }
    let (option, choice) = unfreeze.map { ("--unfreeze", $0) } ?? ("--freeze", freeze ?? "")
    // The head alone comes first.
    let (least, most) = unfreeze == nil ? ("all", "none") : ("none", "all")
    return "both phases train the same weights, as \(option) has one value; "
      + "--epochs \(phases[0].epochs) makes it one phase, and "
      + "\(option) \"\(least);\(choice == least ? most : choice)\" trains more in the second"
  }

  private func parts(_ text: String?) -> [String] {
    text?.split(separator: ";").map(String.init) ?? []
  }

  private func numbers<Number>(
    _ text: String?, _ option: String, _ parse: (Substring) -> Number?
  ) throws -> [Number] {
    guard let text else { return [] }
    return try text.split(separator: ",").map { part in
      guard let number = parse(part) else {
        throw GraftError.usage("'\(part)' in \(option) is not a number")
      }
      return number
    }
  }
}

extension Recipe {
  /// A default for the help: that of `graft finetune`, and that of `graft train` if it differs.
  fileprivate static func defaults(_ value: (Recipe) -> String) -> String {
    let (finetune, train) = (value(Recipe()), value(.scratch))
    return finetune == train
      ? "default: \(finetune)" : "default: \(finetune); for graft train: \(train)"
  }

  /// The same for a phase's setting: a single value if all phases agree.
  fileprivate static func defaults(
    ofPhases separator: String, _ value: (Phase) -> String
  ) -> String {
    defaults { recipe in
      let values = recipe.phases.map(value)
      return Set(values).count == 1 ? values[0] : values.joined(separator: separator)
    }
  }
}
