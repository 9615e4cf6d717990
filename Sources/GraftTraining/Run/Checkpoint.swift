import FoundationEssentials
import GraftData
import GraftFiles
import GraftTensor

/// A run's state in a file: an NPZ archive with the values of all parameters by name, and
/// `graft.run.json` with the rest. It is written to a temporary file first, so that there is always
/// a complete one.
package struct Checkpoint: Sendable {
  package var state: RunState
  /// The recipe of the run.
  package var recipe: Recipe
  package var values: [(name: String, tensor: Tensor)]

  static let textName = "graft.run.json"

  private struct Text: Codable {
    var state: RunState
    var recipe: Recipe
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Keys of earlier versions, and their present names.
  private static let earlierKeys: [String: Key] = [
    "pictureCount": Key(stringValue: "imageCount"),
    "pictures_per_second": Key(stringValue: "images_per_second"),
  ]

  package init(
    state: RunState, recipe: Recipe, values: [(name: String, tensor: Tensor)]
  ) {
    self.state = state
    self.recipe = recipe
    self.values = values
  }

  /// - Parameter isWanted: selects the values to read, by name
  /// - Throws: `GraftError` if the file is missing or damaged
  package init(path: String, where isWanted: (String) -> Bool = { _ in true }) throws {
    var values = try NPZFile.read(path: path) { $0 == Checkpoint.textName || isWanted($0) }
    guard let index = values.firstIndex(where: { $0.name == Checkpoint.textName }) else {
      throw GraftError.badData("is not a checkpoint of a run", places: [path])
    }
    let bytes = try values.remove(at: index).tensor.elements(as: UInt8.self)
    do {
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .convertFromString(
        positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
      decoder.keyDecodingStrategy = .custom { path in
        Checkpoint.earlierKeys[path[path.count - 1].stringValue] ?? path[path.count - 1]
      }
      let text = try decoder.decode(Text.self, from: Data(bytes))
      self.init(state: text.state, recipe: text.recipe, values: values)
    } catch {
      throw GraftError.badData("is a checkpoint of another version, or damaged", places: [path])
    }
  }

  package func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    let text = Array(try encoder.encode(Text(state: state, recipe: recipe)))
    let entry = (name: Checkpoint.textName, tensor: try Tensor(text, shape: [text.count]))
    try NPZFile.write([entry] + values, path: path)
  }

  package var valuesByName: [ByteString: Tensor] {
    Dictionary(
      values.map { (ByteString($0.name), $0.tensor) }, uniquingKeysWith: { first, _ in first })
  }
}

extension GraftError {
  fileprivate static func badData(_ message: String, places: [String]) -> GraftError {
    GraftError(
      .badData, message, places: places,
      hint: "Restore it, or start another run with --output")
  }
}
