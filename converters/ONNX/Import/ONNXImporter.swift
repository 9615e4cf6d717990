import GraftFiles
import GraftGraph
import SwiftProtobuf

/// Reads ONNX models: IR versions 1 to 14, opsets 1 to 28 of `ai.onnx`.
///
/// The graph's nodes are upgraded to the newest opset. Weights stay in the mapped file, at the
/// alignment they have there. Model-local functions are inlined unless they are to stay. Constant
/// nodes and sparse initializers become constants. Training information and device configurations
/// are dropped.
///
/// Source: <https://onnx.ai/onnx/repo-docs/IR.html>
package struct ONNXImporter {
  package static let irVersions = 1...14
  package static let newestOpset = 28

  package var limits: ImportLimits
  /// Names of inputs whose default values are dropped, so that the graph requires them. In ONNX, an
  /// initializer is the default of an input of the same name.
  package var givenInputs: Set<ByteString>
  /// Whether nodes of older opsets that cannot be upgraded stay as they are, because types behind
  /// unknown operators are missing; see ``NodeUpgrader``. Such a graph is only for display.
  package var keepsOlderForms = false
  /// Whether calls of the model's functions stay calls, for writing the model again.
  package var keepsFunctions = false

  package init(limits: ImportLimits = .standard, givenInputs: Set<ByteString> = []) {
    self.limits = limits
    self.givenInputs = givenInputs
  }

  /// - Throws: `GraftError` with file, node or tensor, and offset
  package func graph(path: String) throws -> Graph {
    try withPlace(path) {
      if let kind = FileKind.recognize(path: path) {
        throw kind.error(
          expected: "an ONNX model",
          advice: "Use an .onnx file, Keras weights (.h5), or a name from `graft models list`")
      }
      while true {
        let storage: Storage
        do {
          storage = try Storage.mappedFile(path: path)
        } catch var error as GraftError {
          error.places = []
          throw error
        }
        do {
          return try graph(storage, path: path)
        } catch let error as GraftError where error.code == .noInput {
          // The model and its weights were replaced after the model was opened.
          guard let now = FileIdentity(path: path), now != storage.file else { throw error }
        }
      }
    }
  }

  private func graph(_ storage: Storage, path: String) throws -> Graph {
    let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = end.map { String(path[...$0]) } ?? "."
    let budget = ImportBudget(limits: limits)
    let externalData = ExternalDataFolder(path: folder, budget: budget)
    var graph = try graph(storage, externalData: externalData, budget: budget)
    if let identity = storage.file {
      let own = Graph.SourceFile(path: path, identity: identity)
      graph.sourceFiles = [own] + externalData.sourceFiles
    }
    return graph
  }

  /// Reads a model from memory.
  ///
  /// - Parameter folder: the folder of external data; without it, external data is an error
  package func graph(_ storage: Storage, folder: String? = nil) throws -> Graph {
    let budget = ImportBudget(limits: limits)
    return try graph(
      storage, externalData: folder.map { ExternalDataFolder(path: $0, budget: budget) },
      budget: budget)
  }

  private func graph(
    _ storage: Storage, externalData: ExternalDataFolder?, budget: ImportBudget
  ) throws -> Graph {
    let file = try WireScanner.scan(storage, as: .model, limits: limits)
    let model: Onnx_ModelProto = try file.message(limits: limits)
    guard model.hasIrVersion, model.hasGraph else {
      throw GraftError.badData("is not an ONNX model: it has no IR version or no graph")
    }
    guard model.irVersion > 0 else {
      throw GraftError.badData("has the invalid IR version \(model.irVersion)")
    }
    guard let version = Int(exactly: model.irVersion), Self.irVersions.contains(version) else {
      throw GraftError.unsupported(
        "has IR version \(model.irVersion); versions \(Self.irVersions.lowerBound) to "
          + "\(Self.irVersions.upperBound) can be read")
    }
    budget.add(storedByteCount: storage.byteCount)
    let decoder = TensorDecoder(file: file, externalData: externalData, budget: budget)
    return try ModelImport(model, decoder: decoder, importer: self).graph()
  }
}

extension ScannedFile {
  /// The skeleton as a parsed message.
  func message<Message: SwiftProtobuf.Message>(limits: ImportLimits) throws -> Message {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = limits.depth + 1
    options.discardUnknownFields = true
    do {
      return try Message(serializedBytes: skeleton, options: options)
    } catch BinaryDecodingError.invalidUTF8 {
      throw GraftError.badData(
        "has a name or text that is not UTF-8",
        hint: "Protocol buffers require UTF-8; export the model again")
    } catch {
      throw GraftError.badData("is malformed: \(error)", hint: "The file is damaged or not ONNX")
    }
  }
}
