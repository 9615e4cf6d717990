import GraftFiles

/// Reads text tables with fields separated by commas, semicolons or tabs.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc4180>
package enum CSVFile {
  package struct Row: Sendable, Equatable {
    /// The line in the file where the row starts, counted from 1.
    package var line: Int
    package var fields: [String]
  }

  /// The non-empty rows. The separator is the one that is most frequent in the first row.
  ///
  /// - Throws: `GraftError` if a quotation mark is missing, or text follows a closing one
  package static func rows(_ bytes: FileBytes) throws -> [Row] {
    try bytes.withUnsafeBytes { bytes in
      let mark: [UInt8] = [0xef, 0xbb, 0xbf]
      var parser = CSVParser(bytes: bytes, separator: separator(of: bytes))
      if bytes.starts(with: mark) { parser.position = mark.count }
      var rows: [Row] = []
      while let row = try parser.row() { if row.fields != [""] { rows.append(row) } }
      return rows
    }
  }

  private static func separator(of bytes: UnsafeRawBufferPointer) -> UInt8 {
    let candidates = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
    var counts = [0, 0, 0]
    var isQuoted = false
    for byte in bytes {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if isQuoted { continue }
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { break }
      if let index = candidates.firstIndex(of: byte) { counts[index] += 1 }
    }
    let most = counts.indices.max { counts[$0] < counts[$1] } ?? 0
    return candidates[most]
  }
}

private struct CSVParser {
  let bytes: UnsafeRawBufferPointer
  let separator: UInt8
  var position = 0
  private var line = 1

  private static let quote = UInt8(ascii: "\"")

  init(bytes: UnsafeRawBufferPointer, separator: UInt8) {
    self.bytes = bytes
    self.separator = separator
  }

  /// The next row; `nil` at the end.
  mutating func row() throws -> CSVFile.Row? {
    guard position < bytes.count else { return nil }
    var row = CSVFile.Row(line: line, fields: [])
    while true {
      row.fields.append(try field())
      guard position < bytes.count else { return row }
      let byte = bytes[position]
      position += 1
      if byte == separator { continue }
      // The end of the line: LF, CR or both.
      if byte == UInt8(ascii: "\r"), position < bytes.count, bytes[position] == UInt8(ascii: "\n") {
        position += 1
      }
      line += 1
      return row
    }
  }

  /// The text up to the next separator or end of line, which is not consumed.
  private mutating func field() throws -> String {
    if position < bytes.count, bytes[position] == Self.quote { return try quotedField() }
    let start = position
    while position < bytes.count, !isEnd(bytes[position]) { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func quotedField() throws -> String {
    let start = line
    position += 1
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\n") { line += 1 }
      guard byte == Self.quote else {
        text.append(byte)
        continue
      }
      // A doubled quotation mark stands for one.
      if position < bytes.count, bytes[position] == Self.quote {
        text.append(byte)
        position += 1
        continue
      }
      guard position == bytes.count || isEnd(bytes[position]) else {
        throw GraftError.badData("line \(line): text follows a closing quotation mark")
      }
      return String(decoding: text, as: UTF8.self)
    }
    throw GraftError.badData("line \(start): a quotation mark is not closed")
  }

  private func isEnd(_ byte: UInt8) -> Bool {
    byte == separator || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }
}
