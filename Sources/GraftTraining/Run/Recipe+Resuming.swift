import GraftExecution
import GraftFiles

extension Recipe {
  /// Whether `other` is the same, except for numbers of epochs, additional phases, and export
  /// settings.
  package func isBeginning(of other: Recipe) -> Bool {
    var other = other
    other.phases.removeLast(max(0, other.phases.count - phases.count))
    for index in other.phases.indices where index < phases.count {
      other.phases[index].epochs = phases[index].epochs
    }
    return other.withFreeSettings(of: self) == self
  }

  /// - Throws: `GraftError` that names what `other`, the recipe to go on with, changes
  package func requireBeginning(of other: Recipe) throws {
    guard !isBeginning(of: other) else { return }
    let free = other.withFreeSettings(of: self)
    try free.requireSame(as: self, except: "phases", in: "")
    guard other.phases.count >= phases.count else { throw other.missingPhases(after: self) }
    for (number, (old, new)) in zip(phases, other.phases).enumerated() {
      try new.requireSame(as: old, except: "epochs", in: " in phase \(number + 1)")
    }
  }

  /// With the settings of another recipe that a run may change.
  private func withFreeSettings(of other: Recipe) -> Recipe {
    var recipe = self
    if (precision ?? .float) == (other.precision ?? .float) { recipe.precision = other.precision }
    recipe.exportType = other.exportType
    recipe.foldNormalization = other.foldNormalization
    recipe.exportTrainingCheckpoint = other.exportTrainingCheckpoint
    return recipe
  }

  private func missingPhases(after old: Recipe) -> GraftError {
    let epochs = old.phases.map { "\($0.epochs)" }.joined(separator: ",")
    let giver = phases.first?.origins["epochs"] == .option ? "--epochs has" : "the recipe has"
    return .usage(
      "\(giver) \(phases.count.counting("phase")), but the run has \(old.phases.count)",
      hint: "Begin with the epochs of the run, --epochs \(epochs), and raise the last one or add "
        + "more")
  }
}

extension RecipeSection {
  /// - Parameter place: of the settings, for messages
  /// - Throws: `GraftError` if a setting differs from that of `old`
  fileprivate func requireSame(as old: Self, except key: String, in place: String) throws {
    // Those that were given come first, as they can change others.
    for isGiven in [true, false] {
      for setting in Self.settings where setting.key != key && gives(setting.key) == isGiven {
        try requireSame(setting, as: old, in: place)
      }
    }
  }

  private func requireSame(
    _ setting: RecipeSetting<Self>, as old: Self, in place: String
  ) throws {
    let (now, before) = (setting.node(self), setting.node(old))
    guard now != before else { return }
    func text(_ node: YAMLNode?) -> String {
      if case .scalar(let text, _) = node { "'\(text)'" } else { "not set" }
    }
    let isOption = origins[setting.key] == .option
    try using(setting.key) {
      throw GraftError.usage(
        "\(isOption ? optionName(setting.key) : "'\(setting.key)'") is \(text(now))\(place), but "
          + "was \(text(before)) when the run started",
        hint: (isOption ? "Omit it" : "Omit --recipe, as a run has its recipe")
          + ", or start another run with --output")
    }
  }
}
