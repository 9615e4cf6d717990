import GraftGraph

/// What people write for layers: a name, the beginning of one, or a pattern in which `*` stands for any characters.
///
/// A beginning ends where a word does: `block4` stands for `block4_conv1`, and `layer3` for `/layer3/conv/Conv`. A slash
/// in front does not matter, and a dot parts names as a slash does.
package struct LayerNamePattern: Sendable {
  private let pattern: [Character]
  private let hasWildcard: Bool

  package init(_ text: String) {
    pattern = LayerNamePattern.normalized(text)
    hasWildcard = pattern.contains("*")
  }

  package func matches(_ name: String) -> Bool {
    let name = LayerNamePattern.normalized(name)
    guard !pattern.isEmpty else { return false }
    if hasWildcard { return LayerNamePattern.matches(pattern[...], name[...]) }
    guard name.starts(with: pattern) else { return false }
    guard let next = name.dropFirst(pattern.count).first else { return true }
    return !next.isLetter && !next.isNumber
  }

  /// The beginnings of a name that end where a word does, for suggestions.
  package static func beginnings(of name: String) -> [String] {
    name.indices.dropFirst().filter { "_/.".contains(name[$0]) }.map { String(name[..<$0]) }
  }

  private static func normalized(_ name: String) -> [Character] {
    let characters = name.map { $0 == "." ? "/" : $0 }.drop { $0 == "/" }
    return Array(characters.reversed().drop { $0 == "/" }.reversed())
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

extension Graph {
  /// What people see a node called: its name, or else that of its first output.
  package func layerName(of node: Node) -> String {
    node.name.isEmpty ? node.outputs.first.flatMap { $0.map { self[$0].name } } ?? "" : node.name
  }
}
