import ArgumentParser
import Graft
import GraftFiles
import GraftTraining

/// A recipe from a file, and the options that override it.
struct RecipeOptions: ParsableArguments {
  @Option(help: "A recipe.yaml file; options override it.")
  var recipe: String?

  @Option(help: .setting(\.model)) var model: String?
  @Option(help: .setting(\.weights)) var weights: String?
  @Option(help: .setting(\.cut)) var cut: String?
  @Option(help: .setting(\.head)) var head: String?
  @Option(help: .setting(\.imageSize)) var imageSize: String?
  @Option(help: .setting(\.preprocess)) var preprocess: String?
  @Option(help: .setting(\.resize)) var resize: String?
  @Option(help: .setting(\.crop)) var crop: String?
  @Option(help: .setting(\.interpolation)) var interpolation: String?
  @Flag(inversion: .prefixedNo, help: .setting(\.ignoreOrientation)) var ignoreOrientation: Bool?
  @Option(help: .setting(\.augment)) var augment: String?
  @Option(help: .setting(\.cachedAugmentations)) var cachedAugmentations: Int?
  @Option(help: .setting(\.split)) var split: String?
  @Option(help: .setting(\.batchSize)) var batchSize: Int?
  @Option(help: .setting(\.seed)) var seed: UInt64?

  @Flag(help: "Train in the order of the data.")
  var noShuffle = false

  @Option(help: .setting(\.loss)) var loss: String?
  @Option(help: .setting(\.classWeights)) var classWeights: String?
  @Option(help: .setting(\.gradientClipping)) var gradientClipping: String?
  @Option(help: .setting(\.accumulationSteps)) var accumulationSteps: Int?
  @Option(help: .setting(\.learningRateFactors)) var learningRateFactors: String?
  @Option(help: .setting(\.earlyStopping)) var earlyStopping: Int?

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

extension ArgumentHelp {
  /// The help of a recipe's setting.
  static func setting(_ path: PartialKeyPath<Recipe>) -> ArgumentHelp {
    let setting = Recipe.settings.first { ($0.path as PartialKeyPath<Recipe>) == path }
    return ArgumentHelp(setting?.help ?? "", valueName: setting?.valueName)
  }
}

extension Recipe {
  /// A default for the help of a phase's setting: a single value if all phases agree.
  fileprivate static func defaults(
    ofPhases separator: String, _ value: (Phase) -> String
  ) -> String {
    defaults { recipe in
      let values = recipe.phases.map(value)
      return Set(values).count == 1 ? values[0] : values.joined(separator: separator)
    }
  }
}
