import ArgumentParser
import Graft
import GraftExecution
import GraftFiles
import GraftTraining

/// A recipe from a file, and the options that override it.
///
/// An option has the name of its setting, which reads its text.
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
  @Option(help: .setting(\.cachedAugmentations)) var cachedAugmentations: String?
  @Option(help: .setting(\.split)) var split: String?
  @Option(help: .setting(\.batchSize)) var batchSize: String?
  @Option(help: .setting(\.seed)) var seed: String?
  @Flag(inversion: .prefixedNo, help: .setting(\.shuffle)) var shuffle: Bool?
  @Option(help: .setting(\.loss)) var loss: String?
  @Option(help: .setting(\.classWeights)) var classWeights: String?
  @Option(help: .setting(\.gradientClipping)) var gradientClipping: String?
  @Option(help: .setting(\.accumulationSteps)) var accumulationSteps: String?
  @Option(help: .setting(\.learningRateFactors)) var learningRateFactors: String?
  @Option(help: .setting(\.earlyStopping)) var earlyStopping: String?
  @Option(help: .setting(\.epochs)) var epochs: String?
  @Option(help: .setting(\.learningRate)) var learningRate: String?
  @Option(help: .setting(\.optimizer)) var optimizer: String?
  @Option(help: .setting(\.schedule)) var schedule: String?
  @Option(help: .setting(\.unfreeze)) var unfreeze: String?
  @Option(help: .setting(\.freeze)) var freeze: String?
  @Option(help: .setting(\.exportType)) var exportType: String?
  @Flag(inversion: .prefixedNo, help: .setting(\.foldNormalization)) var foldNormalization: Bool?
  @Flag(inversion: .prefixedNo, help: .setting(\.exportTrainingCheckpoint))
  var exportTrainingCheckpoint: Bool?

  /// - Parameters:
  ///   - defaults: the recipe without a file or options
  ///   - precision: of the option that other commands have, too
  func makeRecipe(_ defaults: Recipe, precision: Precision?) throws -> Recipe {
    var result =
      try recipe.map { try Recipe(path: $0, fromScratch: defaults.fromScratch) } ?? defaults
    var given = given
    given["precision"] = precision?.rawValue
    try result.set(options: given)
    return result
  }

  /// The options that were given, by their settings' keys: `batchSize` is that of `batch_size`.
  private var given: [String: String] {
    var given: [String: String] = [:]
    for case let (label?, option) in Mirror(reflecting: self).children {
      let key = label.dropFirst().reduce(into: "") { key, letter in
        key += letter.isUppercase ? "_\(letter.lowercased())" : "\(letter)"
      }
      let flag = (option as? Flag<Bool?>)?.wrappedValue.map { "\($0)" }
      given[key] = (option as? Option<String?>)?.wrappedValue ?? flag
    }
    return given
  }

  /// A note for users who make one choice of weights to train but keep the two default phases;
  /// `nil` if phases train different weights, or phases were requested.
  ///
  /// - Parameter made: the recipe that results from these options
  func phaseRemark(of made: Recipe) -> String? {
    let texts = [unfreeze, freeze, optimizer, schedule].compactMap(\.self)
    let phases = made.phases.filter { $0.epochs > 0 }
    guard
      let (option, choice) = unfreeze.map({ ("--unfreeze", $0) })
        ?? freeze.map({ ("--freeze", $0) }),
      !texts.contains(where: { $0.contains(";") }), learningRate?.contains(",") != true,
      recipe == nil, epochs == nil, phases.count == 2, Set(phases.map(\.selection)).count == 1
    else { return nil }
    // The head alone comes first.
    let (least, most) = unfreeze == nil ? ("all", "none") : ("none", "all")
    return "both phases train the same weights, as \(option) has one value; "
      + "--epochs \(phases[0].epochs) makes it one phase, and "
      + "\(option) \"\(least);\(choice == least ? most : choice)\" trains more in the second"
  }
}

extension ArgumentHelp {
  /// The help of a recipe's setting.
  static func setting(_ path: PartialKeyPath<Recipe>) -> ArgumentHelp {
    help(of: Recipe.settings.first { ($0.path as PartialKeyPath<Recipe>) == path })
  }

  /// The help of a phase's setting.
  static func setting(_ path: PartialKeyPath<Recipe.Phase>) -> ArgumentHelp {
    help(of: Recipe.Phase.settings.first { ($0.path as PartialKeyPath<Recipe.Phase>) == path })
  }

  private static func help<Section>(of setting: RecipeSetting<Section>?) -> ArgumentHelp {
    ArgumentHelp(setting?.help ?? "", valueName: setting?.valueName)
  }
}
