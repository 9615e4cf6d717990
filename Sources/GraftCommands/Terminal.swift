import GraftFiles

/// Properties of the terminal, if any, on standard output and standard error.
enum Terminal {
  static let isOutputTerminal = isatty(STDOUT_FILENO) == 1
  static let isErrorTerminal = isatty(STDERR_FILENO) == 1

  /// The columns of the terminal; 80 without one.
  static var width: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// The width of tables: the terminal's columns; unlimited elsewhere.
  static var tableWidth: Int? { isOutputTerminal ? width : nil }

  /// `text` within a number of columns; the middle is omitted, since names differ at their ends.
  static func clipped(_ text: String, to columns: Int) -> String {
    guard text.utf8.count > columns, text.count > columns else { return text }
    return "\(text.prefix(columns / 2))…\(text.suffix(max(columns - columns / 2 - 1, 0)))"
  }

  /// A bar of block characters for `fraction` in 0 ... 1, in eighths of a column.
  static func bar(_ fraction: Double, width: Int) -> String {
    let blocks = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let eighths = Int((min(max(fraction, 0), 1) * Double(width) * 8).rounded())
    var text = String(repeating: "█", count: eighths / 8)
    if eighths % 8 > 0 { text += blocks[eighths % 8] }
    return text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// A word quoted for shells.
  static func quoted(_ word: String) -> String {
    let isPlain = word.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || ("0"..."9").contains($0)
        || "-_./=,:+@%".unicodeScalars.contains($0)
    }
    return isPlain && !word.isEmpty
      ? word : "'" + word.replacing(["'": "'\\''"]) + "'"
  }

  /// A number of bytes in readable units.
  static func bytes(_ count: Int) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"]
    var value = Double(count)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(count) B" : String(printf: "%.1f ", value) + units[unit]
  }

  /// Rows of text in columns; the columns in `rightAligned` are right-aligned, the others
  /// left-aligned.
  ///
  /// - Parameter width: the width of a line. The widest cells are clipped to fit, except those of
  ///   `rightAligned`. `nil` keeps all cells whole.
  static func table(
    _ rows: [[String]], rightAligned: Set<Int> = [], width: Int? = nil
  ) -> String {
    let rows = rows.map { $0.map(Output.oneLine) }
    let columnCount = rows.map(\.count).max() ?? 0
    // A longer cell does not widen the column of other rows.
    let limit = width ?? 100
    var widths = (0..<columnCount).map { column in
      min(limit, rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0)
    }
    if let width {
      let narrowest = 8
      while widths.reduce(2 * (columnCount - 1), +) > width,
        let widest = widths.indices.filter({ !rightAligned.contains($0) })
          .max(by: { widths[$0] < widths[$1] }), widths[widest] > narrowest
      {
        widths[widest] -= 1
      }
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let cell = width == nil ? cell : clipped(cell, to: widths[column])
        let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
        return rightAligned.contains(column) ? padding + cell : cell + padding
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
