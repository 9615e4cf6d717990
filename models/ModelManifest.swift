import CGraftShims
import GraftFiles

import FoundationEssentials

/// The models that Graft knows by name: their download addresses and properties.
package struct ModelManifest: Codable, Sendable {
  /// A model with a downloadable file.
  package struct Model: Codable, Sendable {
    package enum Format: String, Codable, Sendable {
      case kerasHDF5 = "keras-hdf5"
      case onnx
    }

    /// The meaning of the first output.
    package enum Output: String, Codable, Sendable {
      case probabilities
      /// Scores before the softmax.
      case logits
      case features
    }

    package var name: String
    package var aliases: [String]?
    package var summary: String
    package var format: Format
    /// For weight files: the builder of the graph.
    package var architecture: String?
    /// For weight files: whether they include the dense layers.
    package var includesTop: Bool?
    /// The file's name, also in the cache.
    package var file: String
    package var address: String
    /// Bytes; `nil` if not known.
    package var size: Int?
    /// `nil` if unknown.
    package var checksum: Checksum?
    package var licence: String
    package var preprocessing: String
    /// The name of a list of labels; see ``ModelManifest/labels(named:)``.
    package var labels: String?
    package var output: Output

    package init(
      name: String, summary: String, format: Format, file: String, address: String,
      size: Int? = nil, checksum: Checksum? = nil, licence: String, preprocessing: String,
      output: Output
    ) {
      self.name = name
      self.summary = summary
      self.format = format
      self.file = file
      self.address = address
      self.size = size
      self.checksum = checksum
      self.licence = licence
      self.preprocessing = preprocessing
      self.output = output
    }

    /// Whether the file at `path` is the model's official one.
    ///
    /// - Throws: `GraftError` if the file cannot be read
    func isOfficialFile(_ path: String) throws -> Bool {
      guard size == nil || TextFile.byteCount(path) == size else { return false }
      guard let checksum else { return size != nil }
      return try Checksum(checksum.algorithm, ofFile: path) == checksum
    }

    package func answers(to name: String) -> Bool {
      self.name == name || aliases?.contains(name) == true
    }
  }

  package var models: [Model]

  /// The built-in manifest.
  package static let builtIn: ModelManifest = {
    do {
      let file = graft_embedded_manifest()
      return try ModelManifest(
        json: file.bytes.map { Data(bytes: $0, count: file.byte_count) } ?? Data())
    } catch {
      preconditionFailure("models/manifest.json: \(error)")
    }
  }()

  package init(models: [Model]) { self.models = models }

  init(json: Data) throws {
    self = try JSONDecoder().decode(ModelManifest.self, from: json)
  }

  /// The model with that name or alias.
  package func model(named name: String) -> Model? { models.first { $0.answers(to: name) } }

  /// A built-in list of labels: `imagenet` has the 1,000 classes in index order.
  ///
  /// - Throws: `GraftError` if there is no such list
  package static func labels(named name: String) throws -> [String] {
    guard name == "imagenet" else {
      throw GraftError.usage("'\(name)' is not a list of labels", hint: "Use imagenet")
    }
    return lines(graft_embedded_imagenet_labels())
  }

  /// The WordNet IDs of ImageNet's classes, in index order; ImageNet's folders have these names.
  package static var imageNetWordNetIDs: [String] {
    lines(graft_embedded_imagenet_wordnet_ids())
  }

  private static func lines(_ file: graft_embedded_file) -> [String] {
    let bytes = UnsafeRawBufferPointer(start: file.bytes, count: file.byte_count)
    return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }
}
