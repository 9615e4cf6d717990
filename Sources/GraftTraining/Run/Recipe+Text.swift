import GraftFiles

extension Recipe {
  /// Reads a file. What it leaves out has the default of `graft finetune`, or of `graft train` for
  /// networks from scratch.
  ///
  /// - Parameter fromScratch: whether it is for a network from scratch if it does not say so
  /// - Throws: `GraftError` with the line
  package init(yaml: String, fromScratch: Bool = false) throws {
    do {
      let node = try YAMLNode(yaml: yaml)
      self = Recipe.defaults(fromScratch: fromScratch)
      try set(node)
      if self.fromScratch != fromScratch {
        self = Recipe.defaults(fromScratch: self.fromScratch)
        try set(node)
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

  private mutating func set(_ node: YAMLNode) throws {
    guard case .mapping(let properties) = node else {
      throw GraftError.badData(
        "is not a recipe", hint: "Use a line for each setting, such as 'batch_size: 16'")
    }
    try set(properties)
  }
}

/// As in files.
extension Recipe: Codable {
  package init(from decoder: any Decoder) throws {
    self.init()
    try set(YAMLNode(from: decoder))
  }

  package func encode(to encoder: any Encoder) throws { try node.encode(to: encoder) }
}
