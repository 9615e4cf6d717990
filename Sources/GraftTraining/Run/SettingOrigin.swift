import GraftFiles

/// Where a setting was given.
package enum SettingOrigin: Sendable, Hashable {
  case option
  case file(path: String?, line: Int?)
}

/// Where the settings of a recipe or a phase were given, by their keys.
///
/// Recipes with the same values are equal, wherever these come from.
package struct SettingOrigins: Sendable, Hashable {
  private var origins: [String: SettingOrigin] = [:]

  subscript(_ key: String) -> SettingOrigin? {
    get { origins[key] }
    set { origins[key] = newValue }
  }

  /// The files that settings are from.
  fileprivate var paths: [String] {
    origins.values.compactMap { origin in
      if case .file(let path?, _) = origin { path } else { nil }
    }
  }

  package static func == (_: SettingOrigins, _: SettingOrigins) -> Bool { true }
  package func hash(into hasher: inout Hasher) {}
}

/// What gives settings: options, a file, or a program.
enum SettingSource {
  case options
  case file(path: String?)
  case program

  /// How messages name a setting.
  func name(of key: String) -> String {
    if case .options = self { optionName(key) } else { key }
  }

  /// - Parameter line: of the setting in the file
  func origin(line: Int?) -> SettingOrigin? {
    switch self {
    case .options: .option
    case .file(let path): .file(path: path, line: line)
    case .program: nil
    }
  }
}

/// The option of a setting: `--batch-size` for `batch_size`.
func optionName(_ key: String) -> String { "--\(key.replacing(["_": "-"]))" }

extension RecipeSection {
  /// Whether a file or an option gave a setting, rather than a default.
  package func gives(_ key: String) -> Bool { origins[key] != nil }

  /// Runs a body that uses settings. What does not fit is then an error of the option or the file
  /// that gave one of them: the first one, but preferably one from an option, which overrides
  /// files.
  package func using<Result>(_ keys: String..., body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as GraftError where error.code == .usage || error.code == .noInput {
      let given = keys.compactMap { key in origins[key].map { (key: key, origin: $0) } }
      guard let (key, origin) = given.first(where: { $0.origin == .option }) ?? given.first
      else { throw error }
      throw error.caused(by: key, from: origin)
    }
  }
}

extension Recipe {
  /// Runs a body that uses the model. Its errors are about the model unless they are about a
  /// setting.
  package func usingModel<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as GraftError {
      let isOfSetting = error.places.first.map { place in
        place.hasPrefix("--")
          || ([origins] + phases.map(\.origins)).contains {
            $0.paths.contains(place)
          }
      }
      throw isOfSetting ?? false ? error : error.at(model)
    }
  }
}

extension GraftError {
  /// The error as one of an option, or of a property in a file.
  fileprivate func caused(by key: String, from origin: SettingOrigin) -> GraftError {
    switch origin {
    case .option:
      let option = optionName(key)
      return code == .usage && !message.contains(option) ? at(option) : self
    case .file(let path, let line):
      var error = self
      if code == .usage { error.code = .badData }
      error.message = GraftError.namingProperties(message)
      error.hint = hint.map(GraftError.namingProperties)
      if !error.message.contains("'\(key)'") { error = error.at(key) }
      if let line { error = error.at("line \(line)") }
      return path.map(error.at) ?? error
    }
  }

  /// A text that names settings as in files, instead of by their options.
  private static func namingProperties(_ text: String) -> String {
    let keys = Recipe.settings.map(\.key) + Recipe.Phase.settings.map(\.key)
    // The longest come first, as they may begin with others.
    return keys.sorted { $0.utf8.count > $1.utf8.count }.reduce(text) { text, key in
      text.replacing(optionName(key), with: "'\(key)'")
    }
  }
}
