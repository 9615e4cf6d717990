import GraftFiles

extension Recipe {
  /// Reads a file. What it leaves out has the default of `graft finetune`, or of `graft train` for
  /// networks from scratch.
  ///
  /// - Parameters:
  ///   - path: of the file, for messages about settings that turn out not to fit
  ///   - fromScratch: whether it is for a network from scratch if it does not say so
  /// - Throws: `GraftError` with the line
  package init(yaml: String, path: String? = nil, fromScratch: Bool = false) throws {
    do {
      let node = try YAMLNode(yaml: yaml)
      self = Recipe.defaults(fromScratch: fromScratch)
      try set(node, from: .file(path: path))
      if self.fromScratch != fromScratch {
        self = Recipe.defaults(fromScratch: self.fromScratch)
        try set(node, from: .file(path: path))
      }
      try validate()
    } catch var error as GraftError where error.code == .usage {
      // An error of a file, like all others in it.
      error.code = .badData
      throw error
    }
  }

  /// The recipe as YAML, with all properties that have a value.
  package var yaml: String { node.lines.joined(separator: "\n") + "\n" }

  private mutating func set(_ node: YAMLNode, from source: SettingSource) throws {
    guard case .mapping(let properties) = node else {
      throw GraftError.badData(
        "is not a recipe", hint: "Use a line for each setting, such as 'batch_size: 16'")
    }
    try set(properties, from: source)
  }
}

/// As in files.
extension Recipe: Codable {
  package init(from decoder: any Decoder) throws {
    self.init()
    try set(YAMLNode(from: decoder), from: .program)
  }

  package func encode(to encoder: any Encoder) throws { try node.encode(to: encoder) }
}
