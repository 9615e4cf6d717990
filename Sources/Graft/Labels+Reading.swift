import FoundationEssentials
import GraftFiles
import GraftGraph

extension Labels {
  /// The largest size of a file of labels.
  private static let byteLimit = 64 << 20

  /// Reads labels from a text file with one name per line, optionally after a WordNet ID or the
  /// class's number (`n01440764 tench`, `0<TAB>tench`); from a JSON array of names; from a JSON
  /// object from number to name, or to `[WordNet ID, name]` as in Keras's
  /// `imagenet_class_index.json`; or from a `config.json` with such an object as `id2label`.
  ///
  /// - Throws: `GraftError` if the file is missing or none of these
  package static func read(path: String) throws -> Labels {
    let bytes = try InputFile.read(path, byteLimit: byteLimit, as: "a list of labels")
    return try withPlace(path) {
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw GraftError.badData("is not UTF-8 text")
      }
      let byteOrderMark: Unicode.Scalar = "\u{feff}"
      let marked = text.unicodeScalars.first == byteOrderMark
      return try parse(marked ? String(text.unicodeScalars.dropFirst()) : text)
    }
  }

  package static func parse(_ text: String) throws -> Labels {
    if isJSON(text) {
      if let labels = try parseJSON(Data(text.utf8)) { return labels }
      throw GraftError.badData(
        "is not a list of labels: it starts like JSON, but is invalid or has another form",
        hint: "Use one name per line, a JSON array, or a JSON object from index to name")
    }
    // Other line separators may be part of a name.
    let lines = text.split(omittingEmptySubsequences: false) { ["\n", "\r\n", "\r"].contains($0) }
      .map { $0.trimmed }
    let names = Array(lines.reversed().drop { $0.isEmpty }.reversed())
    guard !names.isEmpty else { throw GraftError.badData("has no labels") }
    return try parse(lines: names)
  }

  /// Whether a text is JSON, valid or not, rather than one name per line. A name may also start
  /// with a bracket: `[unknown]`. It closes the bracket, and has no quotes.
  static func isJSON(_ text: String) -> Bool {
    let line = text.drop { $0.isWhitespace }.prefix { !["\n", "\r\n", "\r"].contains($0) }
    guard line.first == "[" else { return line.first == "{" }
    let next = line.dropFirst().first { !$0.isWhitespace }
    guard line.contains("]"), let next, !"\"'[{".contains(next) else { return true }
    return (try? JSONDecoder().decode(AnyJSON.self, from: Data(text.utf8))) != nil
  }

  private static func parse(lines: [String]) throws -> Labels {
    let fields = lines.map { line in
      line.split(maxSplits: 1) { $0 == " " || $0 == "\t" }.map(String.init)
    }
    if fields.allSatisfy({ $0.first.map { isWordNetID($0) } == true }) {
      return Labels(
        names: fields.map { $0.last ?? "" }, wordNetIDs: fields.map { $0.first ?? "" })
    }
    guard lines.allSatisfy({ $0.contains("\t") }) else { return Labels(names: lines) }
    let columns = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    guard columns.enumerated().allSatisfy({ $1.count == 2 && Int($1[0]) == $0 }) else {
      throw GraftError.badData(
        "is a table of \(columns.map(\.count).max() ?? 0) columns, not a list of labels",
        hint: "Use one name per line, in the order of the model's classes")
    }
    return Labels(names: columns.map { $0[1].trimmed })
  }

  /// - Returns: `nil` for JSON of any other form, and for invalid JSON
  /// - Throws: `GraftError` for an object with a class missing
  private static func parseJSON(_ data: Data) throws -> Labels? {
    struct Configuration: Decodable { let id2label: [String: String] }
    let decoder = JSONDecoder()
    if let names = try? decoder.decode([String].self, from: data) {
      guard !names.isEmpty else { throw GraftError.badData("has no labels") }
      return Labels(names: names)
    }
    if let pairs = try? decoder.decode([String: [String]].self, from: data) {
      let fields = try inOrder(pairs)
      guard fields.allSatisfy({ $0.count == 2 && isWordNetID($0[0]) }) else {
        return fields.isEmpty ? nil : Labels(names: fields.map { $0.last ?? "" })
      }
      return fields.isEmpty
        ? nil : Labels(names: fields.map { $0[1] }, wordNetIDs: fields.map { $0[0] })
    }
    let names =
      (try? decoder.decode([String: String].self, from: data))
      ?? (try? decoder.decode(Configuration.self, from: data))?.id2label
    return try names.map { Labels(names: try inOrder($0)) }.flatMap { $0.names.isEmpty ? nil : $0 }
  }

  /// The values of the keys `0`, `1`, and so on.
  private static func inOrder<Value>(_ values: [String: Value]) throws -> [Value] {
    try (0..<values.count).map { index in
      guard let value = values[String(index)] else {
        throw GraftError.badData("has no label for class \(index)")
      }
      return value
    }
  }
}

/// Any value of JSON.
private struct AnyJSON: Decodable {
  init(from decoder: any Decoder) throws {
    if var list = try? decoder.unkeyedContainer() {
      while !list.isAtEnd { _ = try list.decode(AnyJSON.self) }
    } else if (try? [String: AnyJSON](from: decoder)) == nil {
      let value = try decoder.singleValueContainer()
      guard !value.decodeNil(), (try? value.decode(Bool.self)) == nil,
        (try? value.decode(String.self)) == nil
      else { return }
      _ = try value.decode(Double.self)
    }
  }
}
