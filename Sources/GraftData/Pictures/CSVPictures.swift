import Foundation
import GraftTensor

/// Reads a table of the paths and the classes of pictures. Paths are relative to the table's folder
/// and do not leave it.
enum CSVPictures {
  private static let pathTitles: Set = ["path", "file", "filename", "image"]
  private static let labelTitles: Set = ["label", "class", "category"]
  private static let hint =
    "Name the columns path and label, or leave the titles out and put the paths first."

  static func read(path: String) throws -> PictureDataset {
    try withPlace(path) {
      let rows = try CSVFile.rows(FileBytes(mapping: path))
      let table = try Columns(rows)
      let folder = (path as NSString).deletingLastPathComponent
      var classes: [String: String] = [:]
      var pictures: [(path: String, label: String)] = []
      for row in rows.dropFirst(table.hasTitles ? 1 : 0) {
        let picture = try withPlace("line \(row.line)") { try table.picture(row) }
        if let other = classes.updateValue(picture.label, forKey: picture.path) {
          guard other == picture.label else {
            throw GraftError.badData(
              "line \(row.line): '\(picture.path)' has the class '\(picture.label)', "
                + "but '\(other)' further up")
          }
          continue
        }
        pictures.append(picture)
      }
      let names = Set(classes.values).sorted(by: NaturalOrder.precedes)
      let labels = Dictionary(uniqueKeysWithValues: zip(names, names.indices))
      return PictureDataset(
        place: path, classNames: names,
        items: pictures.map { picture in
          PictureDataset.Item(
            picture: .file(folder.isEmpty ? picture.path : "\(folder)/\(picture.path)"),
            label: labels[picture.label] ?? 0)
        })
    }
  }

  /// Where in a row the path and the class stand.
  private struct Columns {
    let hasTitles: Bool
    let path: Int
    let label: Int

    init(_ rows: [CSVFile.Row]) throws {
      guard let first = rows.first else { throw GraftError.badData("is empty") }
      let titles = first.fields.map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
      let path = titles.firstIndex(where: pathTitles.contains)
      let label = titles.firstIndex(where: labelTitles.contains)
      if let path, let label {
        (hasTitles, self.path, self.label) = (true, path, label)
        return
      }
      guard first.fields.count >= 2, DataFile(name: first.fields[0], path: "").isPicture else {
        throw GraftError.badData(
          "has no columns of paths and of labels; its first line is "
            + "'\(first.fields.joined(separator: ",").prefix(80))'", hint: hint)
      }
      (hasTitles, self.path, self.label) = (false, 0, 1)
    }

    func picture(_ row: CSVFile.Row) throws -> (path: String, label: String) {
      guard row.fields.count > max(path, label) else {
        throw GraftError.badData("has \(row.fields.count) columns, too few")
      }
      let path = row.fields[path].trimmingCharacters(in: .whitespaces)
      let label = row.fields[label].trimmingCharacters(in: .whitespaces)
      guard !path.isEmpty, !label.isEmpty else {
        throw GraftError.badData("has no \(path.isEmpty ? "path" : "label")")
      }
      guard !path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !path.contains("\0")
      else {
        throw GraftError.badData(
          "'\(path)' lies outside of the table's folder",
          hint: "Paths are relative to the folder that the table lies in.")
      }
      return (path, label)
    }
  }
}
