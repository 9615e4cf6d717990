import GraftFiles

/// Reads a table of image paths and classes, and of parts if it has such a column.
///
/// Paths are absolute or relative to the table's folder, with either slash.
enum CSVImages {
  private static let pathTitles: Set = [
    "path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "img",
    "picture", "photo",
  ]
  private static let labelTitles: Set = [
    "label", "class", "category", "target", "classname", "labelname",
  ]
  private static let partTitles: Set = ["split", "set", "subset", "partition", "part", "dataset"]
  private static let hint =
    "Name the columns path and label, or omit the titles and put the paths first"

  private struct Row {
    let line: Int
    let path: String
    let label: String
    let part: DatasetPart
  }

  static func read(path: String) throws -> ImageDataset {
    try withPlace(path) {
      let (text, encoding) = try TextEncoding.decode(FileBytes(mapping: path))
      let rows = try CSVFile.rows(text)
      let table = try Columns(rows)
      var result = ImageDataset(place: path, classNames: [], items: [], remarks: table.remarks)
      if encoding != .utf8 {
        result.remarks.insert("\(path) is not UTF-8; it is read as \(encoding.rawValue)", at: 0)
      }
      var images: [Row] = []
      var firstRows: [[UInt8]: Row] = [:]
      for row in rows.dropFirst(table.hasTitles ? 1 : 0) {
        let image = try withPlace("line \(row.line)") { try table.image(row) }
        let other = firstRows.updateValue(image, forKey: Array(image.path.utf8))
        guard let other else {
          images.append(image)
          continue
        }
        guard other.label.utf8.elementsEqual(image.label.utf8) else {
          throw GraftError.badData(
            "line \(row.line): '\(image.path)' has the class '\(image.label)', "
              + "but an earlier line says '\(other.label)'")
        }
        guard other.part == image.part else {
          throw GraftError.badData(
            "line \(row.line): '\(image.path)' is for \(image.part.rawValue), "
              + "but an earlier line says \(other.part.rawValue)",
            hint: "Keep each image in one part")
        }
        result.leftOut.add(.repeated)
      }
      let labels = Set(images.map { Array($0.label.utf8) })
      result.classNames = labels.map { String(decoding: $0, as: UTF8.self) }
        .sorted(by: NaturalOrder.precedes)
      let numbers = Dictionary(
        uniqueKeysWithValues: zip(
          result.classNames.map { Array($0.utf8) }, result.classNames.indices))
      let folder = FilePath.folder(of: path)
      for image in images {
        let item = ImageDataset.Item(
          image: .file(Self.path(image.path, in: folder, encoding)),
          label: numbers[Array(image.label.utf8)] ?? 0)
        switch image.part {
        case .training: result.items.append(item)
        case .validation: result.validationItems.append(item)
        case .test: result.testItems.append(item)
        }
      }
      return result
    }
  }

  /// The file for a `path` in the table.
  private static func path(
    _ path: String, in folder: String, _ encoding: TextEncoding
  ) -> String {
    func placed(_ path: String) -> String {
      FilePath.isAbsolute(path) ? path : FilePath.path(path, in: folder)
    }
    // A backslash may be part of a name here, and an old table may have an old file's bytes.
    let plain = placed(path)
    var candidates: [String] = []
    if path.utf8.contains(UInt8(ascii: "\\")) {
      candidates.append(
        placed(
          String(
            decoding: path.utf8.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 },
            as: UTF8.self)))
    }
    if encoding == .windows1252, let bytes = TextEncoding.windows1252Bytes(path) {
      candidates.append(placed(String(fileName: bytes)))
    }
    guard !candidates.isEmpty, !FileSystem.exists(plain) else { return plain }
    return candidates.first(where: FileSystem.exists) ?? candidates[0]
  }

  /// The columns of the path, the class and the part.
  private struct Columns {
    let hasTitles: Bool
    let path: Int
    let label: Int
    var part: Int?
    var remarks: [String] = []

    init(_ rows: [CSVFile.Row]) throws {
      guard let first = rows.first else { throw GraftError.badData("is empty") }
      let titles = first.fields.map { title in
        String(title.lowercased().filter { $0.isLetter || $0.isNumber })
      }
      guard let path = titles.firstIndex(where: pathTitles.contains),
        let label = titles.firstIndex(where: labelTitles.contains)
      else {
        guard first.fields.count >= 2, DataFile(name: first.fields[0], path: "").isImage else {
          throw GraftError.badData(
            "has no columns for paths and labels; its first line is "
              + "'\(first.fields.joined(separator: ",").prefix(80))'", hint: hint)
        }
        (hasTitles, self.path, self.label) = (false, 0, 1)
        return
      }
      (hasTitles, self.path, self.label) = (true, path, label)
      for (kind, column, known) in [
        ("paths", path, pathTitles), ("classes", label, labelTitles),
      ] where titles.count(where: known.contains) > 1 {
        remarks.append("the column '\(first.fields[column])' is used for the \(kind)")
      }
      if let column = titles.firstIndex(where: partTitles.contains) {
        let values = rows.dropFirst().compactMap {
          column < $0.fields.count ? $0.fields[column] : nil
        }
        if values.contains(where: { DatasetPart(name: $0) != nil }) {
          part = column
          remarks.append(
            "the column '\(first.fields[column])' divides the images into parts")
        } else {
          remarks.append(
            "the column '\(first.fields[column])' has no parts such as train and test, and is "
              + "ignored")
        }
      }
    }

    func image(_ row: CSVFile.Row) throws -> Row {
      guard row.fields.count > max(path, label, part ?? 0) else {
        throw GraftError.badData("has \(row.fields.count) columns, too few")
      }
      let path = Self.trimmed(row.fields[path])
      let label = Self.trimmed(row.fields[label])
      guard !path.isEmpty, !label.isEmpty else {
        throw GraftError.badData("has no \(path.isEmpty ? "path" : "label")")
      }
      guard !path.utf8.contains(0) else { throw GraftError.badData("has a zero in its path") }
      var part = DatasetPart.training
      if let column = self.part {
        let name = Self.trimmed(row.fields[column])
        guard let named = DatasetPart(name: name) else {
          throw GraftError.badData(
            name.isEmpty
              ? "has no part" : "invalid part '\(name)'",
            hint: "Use train, val or test")
        }
        part = named
      }
      return Row(line: row.line, path: path, label: label, part: part)
    }

    /// Without white space at the ends.
    private static func trimmed(_ text: String) -> String {
      func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
      }
      let bytes = Array(text.utf8.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
