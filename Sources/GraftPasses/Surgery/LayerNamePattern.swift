import GraftGraph

/// The notation for layers: a name, a prefix, or a pattern in which `*` matches any characters.
///
/// A prefix must end at a word boundary: `block4` matches `block4_conv1`, and `layer3` matches
/// `/layer3/conv/Conv`. A leading slash is ignored, and a dot separates like a slash.
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

  /// The prefixes of a name that end at word boundaries, for suggestions.
  package static func beginnings(of name: String) -> [String] {
    name.indices.dropFirst().filter { "_/.".contains(name[$0]) }.map { String(name[..<$0]) }
  }

  private static func normalized(_ name: String) -> [Character] {
    let characters = name.map { $0 == "." ? "/" : $0 }.drop { $0 == "/" }
    return Array(characters.reversed().drop { $0 == "/" }.reversed())
  }

  /// Each `*` matches as little as possible; only the last one is retried.
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
  /// A node's name for the user: its own, or else that of its first output.
  package func layerName(of node: Node) -> String {
    node.name.isEmpty ? node.outputs.first.flatMap { $0.map { self[$0].name } } ?? "" : node.name
  }
}
