import GraftFiles

/// A training setting: its name in recipe files and on the command line, its help, the values that
/// it accepts, and its property in a ``Recipe`` or one of its phases.
///
/// ``Recipe/settings`` and ``Recipe/Phase/settings`` list them all.
package struct RecipeSetting<Section: Sendable>: Sendable {
  package let key: String
  /// The help of its option; empty if it has none.
  package let help: String
  /// The value's name in the help; `nil` for the option's name.
  package let valueName: String?
  package let path: any PartialKeyPath<Section> & Sendable
  /// Separates the values of several phases in an option; text may have commas.
  let separator: Character
  /// Sets the property; receives what gives it, which messages name.
  let set: @Sendable (inout Section, YAMLNode, SettingSource) throws -> Void
  /// The property's value; `nil` if it has none.
  let node: @Sendable (Section) -> YAMLNode?
  /// - Throws: `GraftError` if the value is not accepted
  let check: @Sendable (Section) throws -> Void
}

extension RecipeSetting {
  /// A setting with a value in every recipe.
  static func required<Value: RecipeValue>(
    _ key: String, _ path: any WritableKeyPath<Section, Value> & Sendable, _ help: String = "",
    _ form: RecipeForm<Value> = RecipeForm()
  ) -> RecipeSetting {
    RecipeSetting(
      key, help, nil, path, form, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 })
  }

  /// A setting that recipes may leave open.
  static func optional<Value: RecipeValue>(
    _ key: String, _ path: any WritableKeyPath<Section, Value?> & Sendable, _ help: String = "",
    _ form: RecipeForm<Value> = RecipeForm(), valueName: String? = nil
  ) -> RecipeSetting {
    RecipeSetting(
      key, help, valueName, path, form, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 })
  }

  private init<Value: RecipeValue>(
    _ key: String, _ help: String, _ valueName: String?,
    _ path: any PartialKeyPath<Section> & Sendable, _ form: RecipeForm<Value>,
    get: @escaping @Sendable (Section) -> Value?,
    set: @escaping @Sendable (inout Section, Value) -> Void
  ) {
    self.init(
      key: key, help: help, valueName: valueName, path: path,
      separator: Value.self == String.self ? ";" : ",",
      set: { section, node, source in
        let name = source.name(of: key)
        let value = try form.value(of: node, "'\(name)'")
        try withPlace(name) { try form.parse(value) }
        set(&section, value)
      },
      node: { get($0).map { .scalar($0.text, isPlain: Value.self != String.self) } },
      check: { section in
        guard let value = get(section) else { return }
        try form.check(value, "'\(key)'")
        try withPlace(key) { try form.parse(value) }
      })
  }
}

/// The values that a setting accepts.
struct RecipeForm<Value: RecipeValue>: Sendable {
  /// For messages: "a whole number from 1 to 8".
  var description = Value.form
  var accepts: @Sendable (Value) -> Bool = { _ in true }
  /// Reads what the value stands for.
  var parse: @Sendable (Value) throws -> Void = { _ in }

  /// Numbers in a range.
  static func from(_ range: ClosedRange<Value>) -> RecipeForm where Value: Comparable {
    func text(_ limit: Value) -> String {
      let short = "\(limit)"
      return short.contains("e") ? short : limit.text
    }
    return RecipeForm(
      description: "\(Value.form) from \(text(range.lowerBound)) to \(text(range.upperBound))",
      accepts: range.contains)
  }

  /// Values that can be read without an error.
  static func read<Result>(
    by parse: @escaping @Sendable (Value) throws -> Result
  ) -> RecipeForm {
    RecipeForm(parse: { _ = try parse($0) })
  }

  /// - Parameter text: the value as the user wrote it
  func check(_ value: Value, _ name: String, as text: String? = nil) throws {
    guard accepts(value) else {
      throw GraftError.invalidValue(text ?? value.text, for: name, use: description)
    }
  }

  /// - Parameter name: of the setting in messages
  func value(of node: YAMLNode, _ name: String) throws -> Value {
    guard case .scalar(let text, let isPlain) = node else {
      throw GraftError.usage("invalid value for \(name)", hint: "Use \(description), not a list")
    }
    return try value(of: text, isPlain: isPlain, name)
  }

  func value(of text: String, isPlain: Bool = true, _ name: String) throws -> Value {
    guard let value = Value(text: text, isPlain: isPlain) else {
      let isQuoted = !isPlain && Value(text: text, isPlain: true) != nil
      throw GraftError.invalidValue(
        text, for: name, use: description + (isQuoted ? ", without quotes" : ""))
    }
    guard !value.isRounded(from: text) else {
      throw GraftError.roundedToZero(text, for: name, allowsZero: accepts(value))
    }
    try check(value, name, as: text)
    return value
  }
}

extension GraftError {
  /// A value that a setting or an argument does not accept.
  static func invalidValue(_ text: String, for name: String, use form: String) -> GraftError {
    usage("invalid value '\(text)' for \(name)", hint: "Use \(form)")
  }

  /// A number that would lose its meaning.
  static func roundedToZero(_ text: String, for name: String, allowsZero: Bool) -> GraftError {
    usage(
      "invalid value '\(text)' for \(name): it is too close to 0, and would become 0",
      hint: allowsZero ? "Use 0, or a larger number" : "Use a larger number")
  }
}

/// A recipe or a phase.
package protocol RecipeSection: Sendable {
  static var settings: [RecipeSetting<Self>] { get }
  /// Where its settings were given.
  var origins: SettingOrigins { get set }
}

extension RecipeSection {
  /// Its settings that have a value.
  var node: YAMLNode {
    .mapping(
      Self.settings.compactMap { setting in
        setting.node(self).map { YAMLNode.Property(key: setting.key, value: $0) }
      })
  }

  /// Sets properties.
  ///
  /// - Parameter source: what gives them
  /// - Throws: `GraftError` with the line, for an unknown property or one with an invalid value
  mutating func set(_ properties: [YAMLNode.Property], from source: SettingSource) throws {
    for property in properties {
      do {
        guard let setting = Self.settings.first(where: { $0.key == property.key }) else {
          throw Self.unknown(property.key)
        }
        // One without a value is left out.
        guard property.value != .null else { continue }
        try setting.set(&self, property.value, source)
        origins[setting.key] = source.origin(line: property.line)
      } catch let error as GraftError {
        // A property of a phase has its own line.
        guard let line = property.line, error.places.first?.hasPrefix("line ") != true else {
          throw error
        }
        throw error.at("line \(line)")
      }
    }
  }

  /// The error for a name that is not that of a setting.
  private static func unknown(_ key: String) -> GraftError {
    let names = settings.map(\.key)
    let inPhases = Recipe.Phase.settings.map(\.key)
    let place = "It belongs to an entry of 'phases'"
    let hint =
      inPhases.contains(key)
      ? place
      : nearestNamesHint(key, among: names)
        ?? nearestNamesHint(key, among: inPhases).map { "\($0) \(place)" }
        ?? "Use one of \(names.listed(limit: 40))"
    return .usage("unknown property '\(key)'", hint: hint)
  }
}
