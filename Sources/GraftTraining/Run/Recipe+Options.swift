import GraftFiles

extension Recipe {
  /// Sets what options of the command line say, by the keys of their settings.
  ///
  /// Options of phases have one value for all phases, or one for each. `--epochs` sets the number
  /// of phases.
  /// - Throws: `GraftError` if a value is invalid, or the numbers of values do not match
  package mutating func set(options: [String: String]) throws {
    var properties = Recipe.settings.compactMap { setting in
      options[setting.key].map {
        YAMLNode.Property(key: setting.key, value: .scalar($0, isPlain: true))
      }
    }
    let lists = Phase.settings.compactMap { setting in
      options[setting.key].map {
        (
          key: setting.key,
          values: $0.split(separator: setting.separator, omittingEmptySubsequences: false)
            .map(\.trimmed)
        )
      }
    }
    if !lists.isEmpty {
      let count = try Recipe.phaseCount(lists, before: phases.count)
      let entries = (0..<count).map { index in
        YAMLNode.mapping(
          lists.map { key, values in
            YAMLNode.Property(
              key: key, value: .scalar(values[min(index, values.count - 1)], isPlain: true))
          })
      }
      properties.append(YAMLNode.Property(key: "phases", value: .sequence(entries)))
    }
    try set(properties, from: .options)
    try validate()
  }

  /// - Throws: `GraftError` if a list has neither one value nor one for each phase
  private static func phaseCount(
    _ lists: [(key: String, values: [String])], before: Int
  ) throws -> Int {
    var count = before
    if let epochs = lists.first(where: { $0.key == "epochs" })?.values.count {
      // A single number of epochs means all phases, however many other options give.
      count = epochs > 1 ? epochs : lists.map(\.values.count).max() ?? 1
    }
    if count > phaseLimit, let longest = lists.first(where: { $0.values.count == count }) {
      throw GraftError.usage(
        "\(optionName(longest.key)) gives \(count) phases", hint: "Use at most \(phaseLimit)")
    }
    for (key, values) in lists where values.count > 1 && values.count != count {
      throw GraftError.usage(
        "\(optionName(key)) has \(values.count) values, but there "
          + (count == 1 ? "is 1 phase" : "are \(count) phases"),
        hint: "Use one value for all phases or one for each; --epochs sets the number of phases")
    }
    return count
  }
}
