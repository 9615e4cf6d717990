import Foundation
import GraftRuntime

/// Which weights are trained: `all`, `none`, `head`, or names of blocks, layers and weights.
package struct WeightSelection: Sendable, Hashable {
  private let text: String
  private let exceptions: String

  /// The head is always trained.
  ///
  /// - Parameters:
  ///   - text: parts between commas
  ///   - exceptions: what `text` selects and is not trained all the same
  package init(_ text: String, except exceptions: String? = nil) {
    self.text = text
    self.exceptions = exceptions ?? "none"
  }

  /// The weights that are selected; those of the head are among them.
  ///
  /// A name selects the weights of its layers: `block4` has `block4_conv1/kernel`. `*` stands for any characters.
  /// - Throws: `GraftError` with the nearest names, if a name selects nothing.
  package func weights(of model: TransferModel) throws -> Set<ValueID> {
    let selected = try WeightSelection.weights(text, of: model)
    return try selected.subtracting(WeightSelection.weights(exceptions, of: model))
      .union(model.headWeights)
  }

  private static func weights(
    _ text: String, of model: TransferModel
  ) throws -> Set<ValueID> {
    var selected: Set<ValueID> = []
    for part in text.split(separator: ",").map(String.init) {
      switch part.trimmingCharacters(in: .whitespaces) {
      case "none", "head": continue
      case "all": selected.formUnion(model.weights)
      case let name: selected.formUnion(try weights(called: name, of: model))
      }
    }
    return selected
  }

  /// The weights that a name or pattern selects.
  ///
  /// - Throws: `GraftError` with the nearest names, if these are none.
  static func weights(called name: String, of model: TransferModel) throws -> [ValueID] {
    let all = model.weights
    let found = all.filter { matches(name, model.graph[$0].name) }
    guard !found.isEmpty else {
      let names = all.map { model.graph[$0].name }
      throw GraftError.usage(
        "no layer is called '\(name)'",
        hint: nearestNamesHint(name, among: names + blocks(names)))
    }
    return found
  }

  /// What stands in front of `_`, `/` or `.` in names.
  private static func blocks(_ names: [String]) -> [String] {
    names.flatMap { name in
      name.indices.filter { "_/.".contains(name[$0]) }.map { String(name[..<$0]) }
    }
  }

  static func matches(_ pattern: String, _ name: String) -> Bool {
    if pattern.contains("*") {
      return matches(Array(pattern)[...], Array(name)[...])
    }
    guard name.hasPrefix(pattern) else { return false }
    guard let next = name.dropFirst(pattern.count).first else { return true }
    return !next.isLetter && !next.isNumber
  }

  /// Each `*` takes as little as the rest allows; only the last one is tried again.
  private static func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>)
    -> Bool
  {
    var (pattern, name) = (pattern, name)
    var retry: (pattern: ArraySlice<Character>, name: ArraySlice<Character>)?
    while true {
      if pattern.first == "*" {
        pattern = pattern.dropFirst()
        retry = (pattern, name)
      } else if let expected = pattern.first, expected == name.first {
        (pattern, name) = (pattern.dropFirst(), name.dropFirst())
      } else if pattern.isEmpty, name.isEmpty {
        return true
      } else if let saved = retry, !saved.name.isEmpty {
        retry = (saved.pattern, saved.name.dropFirst())
        (pattern, name) = (saved.pattern, saved.name.dropFirst())
      } else {
        return false
      }
    }
  }
}
