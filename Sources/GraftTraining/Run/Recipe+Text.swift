import GraftFiles
import GraftGraph

extension Recipe {
  package init(from decoder: any Decoder) throws {
    self.init()
    try decoder.requireOnly(Recipe.settings.map(\.key))
    let values = try decoder.container(keyedBy: RecipeKey.self)
    for setting in Recipe.settings { try setting.decode(&self, values) }
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: RecipeKey.self)
    for setting in Recipe.settings { try setting.encode(self, &values) }
  }

  /// - Throws: `GraftError` that says which property is unknown or has a value of the wrong kind
  package init(yaml: String) throws {
    do {
      self = try YAMLDecoder.decode(Recipe.self, from: yaml)
    } catch let error as DecodingError {
      throw GraftError.badData("is not a recipe: \(error.explanation)")
    }
    do {
      try validate()
    } catch let error as GraftError where error.code == .usage {
      // An error of a file, like all others in it.
      var error = error
      error.code = .badData
      throw error
    }
  }

  /// The recipe as YAML, with all properties that have a value.
  package var yaml: String {
    get throws { try YAMLEncoder.encode(self) }
  }
}

extension Recipe.Phase {
  package init(from decoder: any Decoder) throws {
    self.init()
    try decoder.requireOnly(CodingKeys.allCases.map(\.rawValue), of: "phases")
    let values = try decoder.container(keyedBy: CodingKeys.self)
    func read<Value: Decodable>(_ key: CodingKeys, into property: inout Value) throws {
      if let value = try values.decodeIfPresent(Value.self, forKey: key) { property = value }
    }
    freeze = try values.decodeIfPresent(String.self, forKey: .freeze)
    // A phase that names frozen parts trains the rest.
    if freeze != nil { unfreeze = "all" }
    try read(.unfreeze, into: &unfreeze)
    try read(.epochs, into: &epochs)
    try read(.learningRate, into: &learningRate)
    try read(.optimizer, into: &optimizer)
    try read(.schedule, into: &schedule)
  }
}

/// Any key of a mapping.
struct RecipeKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(_ name: String) { stringValue = name }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { return nil }
}

extension Decoder {
  /// - Throws: `GraftError` for a key other than `names`, so that misspelt ones are not ignored
  fileprivate func requireOnly(_ names: [String], of what: String = "recipes") throws {
    for key in try container(keyedBy: RecipeKey.self).allKeys
    where !names.contains(key.stringValue) {
      let key = key.stringValue
      let inPhases = Recipe.Phase.CodingKeys.allCases.map(\.rawValue)
      throw GraftError.badData(
        "\(what) have no property '\(key)'",
        hint: nearestNamesHint(key, among: names)
          ?? nearestNamesHint(key, among: inPhases).map {
            "\($0) It belongs to an entry of 'phases'"
          }
          ?? "The properties are \(names.listed(limit: 40))")
    }
  }
}

extension DecodingError {
  fileprivate var context: Context {
    switch self {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .keyNotFound(_, let context), .dataCorrupted(let context):
      context
    @unknown default: Context(codingPath: [], debugDescription: "\(self)")
    }
  }

  /// The property and its error.
  fileprivate var explanation: String {
    let phase = context.codingPath.compactMap(\.intValue).first
    let names = context.codingPath.filter { $0.intValue == nil }.map(\.stringValue)
    let places = phase.map { ["phase \($0 + 1)"] + names.dropFirst() } ?? names
    return (places + [mismatch ?? context.debugDescription]).joined(separator: ": ")
  }

  /// A description of a value of the wrong kind; `nil` for other errors.
  private var mismatch: String? {
    guard case .typeMismatch(let type, _) = self else { return nil }
    switch type {
    case is Int.Type: return "is not an integer, or is too large"
    case is UInt64.Type: return "is not an integer of 0 or more, or is too large"
    case is Double.Type: return "is not a number"
    case is Bool.Type: return "is neither true nor false"
    case is YAMLNode.Type: return "is not a single value"
    case is [YAMLNode].Type: return "is not a list"
    case is [String: YAMLNode].Type: return "is not a list of properties with values"
    default: return nil
    }
  }
}
