import Foundation
import GraftTensor
import GraftVision

/// Names of classes, by index.
package struct Labels: Sendable, Equatable {
  package let names: [String]

  package init(names: [String]) { self.names = names }

  /// Where a model's metadata keeps its labels, one per line.
  package static let metadataKey = "graft.labels"

  /// Labels larger than this are no labels.
  private static let byteLimit = 64 << 20

  /// Reads labels from a text file of one name per line, a JSON array of names, or a JSON object of index to
  /// name (or to `[id, name]`, as Keras's `imagenet_class_index.json`).
  ///
  /// - Throws: `GraftError` if the file is missing or none of these.
  package static func read(path: String) throws -> Labels {
    let bytes = try InputFile.read(path, byteLimit: byteLimit, as: "a list of labels")
    return try withPlace(path) {
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw GraftError.badData("is no UTF-8 text")
      }
      let start = text.first { !$0.isWhitespace }
      if start == "{" || start == "[" { return try parseJSON(Data(bytes)) }
      let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      let names = Array(lines.reversed().drop { $0.isEmpty }.reversed())
      guard !names.isEmpty else { throw GraftError.badData("has no labels") }
      return Labels(names: names)
    }
  }

  private static func parseJSON(_ data: Data) throws -> Labels {
    let decoder = JSONDecoder()
    if let names = try? decoder.decode([String].self, from: data), !names.isEmpty {
      return Labels(names: names)
    }
    var byIndex: [String: String] = [:]
    if let pairs = try? decoder.decode([String: [String]].self, from: data) {
      byIndex = pairs.compactMapValues(\.last)
    } else if let names = try? decoder.decode([String: String].self, from: data) {
      byIndex = names
    }
    let names = try (0..<byIndex.count).map { index in
      guard let name = byIndex[String(index)] else {
        throw GraftError.badData("has no label for class \(index)")
      }
      return name
    }
    guard !names.isEmpty else {
      throw GraftError.badData(
        "is no list of labels",
        hint: "Use one name per line, a JSON array, or a JSON object of index to name")
    }
    return Labels(names: names)
  }

  /// The labels in a model's metadata, be they Graft's or those of another tool.
  ///
  /// - Parameter classCount: of the model, if it is known; another tool's names that are not as many are passed over
  package init?(metadata: [String: String], classCount: Int?) {
    guard let text = metadata[Labels.metadataKey], !text.isEmpty else {
      guard let names = ClassMetadata.names(in: metadata) else { return nil }
      guard classCount == nil || names.count == classCount || (names.count, classCount) == (2, 1)
      else { return nil }
      self.names = names
      return
    }
    names = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// As a model's metadata keeps them.
  package var metadataValue: String { names.joined(separator: "\n") }

  package func name(of index: Int) -> String? {
    names.indices.contains(index) && !names[index].isEmpty ? names[index] : nil
  }
}
