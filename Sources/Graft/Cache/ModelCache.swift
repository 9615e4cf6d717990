import GraftExecution
import GraftFiles
import GraftGraph
import GraftModels
import GraftRuntime

/// The folder of compiled models: `compiled` in `$GRAFT_HOME`, or else in the XDG cache folder.
///
/// `NAME.model` is a ``CompiledModel``, named after the model's content, how it was read, the build
/// of Graft, and the instruction set. `NAME.content` is a ``ContentRecord``, `NAME.features` a
/// ``FeatureFile``. All of them can be recreated. Files that another user may have written are not
/// used, and files of other programs are left alone.
package struct ModelCache: Sendable {
  package let folder: String
  /// The size limit of all files together, in bytes.
  package let byteLimit: Int

  package static let defaultByteLimit = 4 << 30

  package init(root: String, byteLimit: Int = ModelCache.defaultByteLimit) {
    folder = "\(root)/compiled"
    self.byteLimit = byteLimit
  }

  /// The cache that the environment configures; `nil` if there is none.
  ///
  /// - Throws: `GraftError` if `GRAFT_CACHE_LIMIT` is not a valid size
  package static func standard() throws -> ModelCache? {
    let byteLimit =
      try ModelStore.environmentVariable("GRAFT_CACHE_LIMIT").map { try byteCount($0) }
      ?? defaultByteLimit
    guard byteLimit > 0,
      let root = try? ModelStore.root(environment: ModelStore.environmentVariable)
    else { return nil }
    return ModelCache(root: root, byteLimit: byteLimit)
  }

  /// Parses a size: `500M`, `4G`, or a number of bytes.
  static func byteCount(_ text: String) throws -> Int {
    let shifts: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40]
    let shift = text.last.flatMap { shifts[Character($0.uppercased())] }
    guard let number = Int(shift == nil ? text[...] : text.dropLast()), number >= 0,
      number <= Int.max >> (shift ?? 0)
    else {
      throw GraftError.usage(
        "invalid value '\(text)' for GRAFT_CACHE_LIMIT",
        hint: "Use a number of bytes, 500M or 4G")
    }
    return number << (shift ?? 0)
  }

  /// The compiled form of the model in the file at `path`, if it is cached and valid.
  ///
  /// - Parameter variant: how the graph is made from the file
  func find(path: String, variant: String, threads: Int) -> Compilation? {
    guard let record = currentRecord(path: path, threads: threads),
      let destination = try? destination(record.content, variant: variant)
    else { return nil }
    var storages: [Storage] = []
    var sourceFiles: [Graph.SourceFile] = []
    for file in record.sourceFiles(path: path) {
      guard let storage = try? Storage.mappedFile(path: file.path), storage.file == file.identity
      else { return nil }
      storages.append(storage)
      sourceFiles.append(file)
    }
    guard
      let found = try? CompiledModel(
        path: destination.path, key: destination.key, modelFiles: storages, threadCount: threads)
    else { return nil }
    markAsUsed(destination.path)
    markAsUsed(recordPath(record.files[0].identity))
    return compilation(found: found, sourceFiles: sourceFiles, variant: variant, threads: threads)
  }

  /// The compilation of a model read from `sourceFiles`, to be cached after its first run.
  func compilation(
    found: CompiledModel? = nil, sourceFiles: [Graph.SourceFile], variant: String, threads: Int
  ) -> Compilation? {
    guard !sourceFiles.isEmpty, makeFolder() else { return nil }
    return Compilation(
      found: found, in: self, sourceFiles: sourceFiles, variant: variant, threadCount: threads)
  }

  /// Where the compiled form of a model is kept, and what it is made for.
  func destination(
    _ content: ContentHash, variant: String
  ) throws -> (path: String, key: String) {
    let key = """
      Graft \(GraftVersion.build)
      instructions \(InstructionSet.current)
      read \(variant)
      content \(content.text)
      """
    let name = try ContentHash(of: key).text.prefix(32)
    return ("\(folder)/\(name).model", key)
  }
}
