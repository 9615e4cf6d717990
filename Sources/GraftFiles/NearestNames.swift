/// "Did you mean 'a' or 'b'?" for a misspelt name; `nil` if none of `names` is similar.
package func nearestNamesHint(_ name: String, among names: some Sequence<String>) -> String? {
  let limit = max(2, name.count / 3)
  let near = Set(names.lazy.map { ByteString($0) })
    .map { ($0.text, distance(name, $0.text)) }.filter { $0.1 <= limit }
    .sorted { ($0.1, $0.0) < ($1.1, $1.0) }.prefix(3).map { "'\($0.0)'" }
  guard let last = near.last else { return nil }
  let others = near.dropLast().joined(separator: ", ")
  return "Did you mean \(others.isEmpty ? last : "\(others) or \(last)")?"
}

/// The dissimilarity of two names: 0 if only case differs, 1 for a prefix, at most 2 if both begin
/// with the same letters before a digit, otherwise the edit distance.
private func distance(_ name: String, _ other: String) -> Int {
  let (left, right) = (Array(name.lowercased().prefix(200)), Array(other.lowercased().prefix(200)))
  let changes = editDistance(left, right)
  if left.count >= 2, right.starts(with: left) { return min(1, changes) }
  let family = { (name: [Character]) in
    let letters = name.prefix { $0.isLetter }
    return letters.count >= 3 && name.dropFirst(letters.count).first?.isNumber == true
      ? letters : nil
  }
  return family(left) != nil && family(left) == family(right) ? min(2, changes) : changes
}

/// The number of characters to insert, delete or replace (Levenshtein).
private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
  var row = Array(0...right.count)
  for (i, character) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in right.enumerated() {
      let substituted = diagonal + (character == other ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
    }
  }
  return row[right.count]
}

extension Sequence<String> {
  /// The names as a choice: "a, b or c".
  package var alternatives: String {
    let names = Array(self)
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return "\(names.dropLast().joined(separator: ", ")) or \(last)"
  }

  /// The names in one line, the first few of many: "a, b and 998 more".
  package func listed(limit: Int = 10) -> String {
    var shown: [String] = []
    var count = 0
    for name in self {
      if count < limit { shown.append(name) }
      count += 1
    }
    let text = shown.joined(separator: ", ")
    return count > limit ? "\(text) and \(count - limit) more" : text
  }
}
