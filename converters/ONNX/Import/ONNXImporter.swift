import GraftOperators
import SwiftProtobuf

/// Reads ONNX models: IR versions 3 to 14, opsets 1 to 28 of `ai.onnx`.
///
/// The graph has its nodes at the newest opset. Weights stay in the mapped file, at whatever
/// alignment they have there. Model-local functions are inlined, Constant nodes and sparse
/// initializers become constants; training information and device configurations are left out.
///
/// Source: <https://onnx.ai/onnx/repo-docs/IR.html>
package struct ONNXImporter {
  package static let irVersions = 3...14
  package static let newestOpset = 28

  package var limits: ImportLimits

  package init(limits: ImportLimits = .standard) { self.limits = limits }

  /// - Throws: `GraftError` with file, node or tensor, and offset
  package func graph(path: String) throws -> Graph {
    try withPlace(path) {
      let storage: Storage
      do {
        storage = try Storage.mappedFile(path: path)
      } catch var error as GraftError {
        error.places = []
        throw error
      }
      let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
      let folder = end.map { String(path[...$0]) } ?? "."
      let externalData = ExternalDataFolder(path: folder)
      var graph = try graph(storage, externalData: externalData)
      if let identity = storage.file {
        let own = Graph.SourceFile(path: path, identity: identity)
        graph.sourceFiles = [own] + externalData.sourceFiles
      }
      return graph
    }
  }

  /// Reads a model from memory.
  ///
  /// - Parameter folder: where external data lies; without it, external data is an error
  package func graph(_ storage: Storage, folder: String? = nil) throws -> Graph {
    try graph(storage, externalData: folder.map(ExternalDataFolder.init))
  }

  private func graph(_ storage: Storage, externalData: ExternalDataFolder?) throws -> Graph {
    let file = try WireScanner.scan(storage, as: .model, limits: limits)
    let model: Onnx_ModelProto = try file.message(limits: limits)
    guard model.hasIrVersion, model.hasGraph else {
      throw GraftError.badData("is no ONNX model: it has no IR version or no graph")
    }
    guard let version = Int(exactly: model.irVersion), Self.irVersions.contains(version) else {
      throw GraftError.unsupported(
        "has IR version \(model.irVersion); versions \(Self.irVersions.lowerBound) to "
          + "\(Self.irVersions.upperBound) can be read")
    }
    let decoder = TensorDecoder(file: file, externalData: externalData, limits: limits)
    return try ModelImport(model, decoder: decoder, limits: limits).graph()
  }
}

extension ScannedFile {
  /// The skeleton, parsed.
  func message<Message: SwiftProtobuf.Message>(limits: ImportLimits) throws -> Message {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = limits.depth + 1
    options.discardUnknownFields = true
    do {
      return try Message(serializedBytes: skeleton, options: options)
    } catch {
      throw GraftError.badData("is malformed: \(error)", hint: "The file is damaged or not ONNX")
    }
  }
}
