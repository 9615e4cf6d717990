import GraftGraph
import GraftRuntime

/// The compiled form of one model, and its place in the cache.
///
/// The first start runs from the graph as it was read, and ``store(_:)`` writes the compiled form
/// once the kernels have packed their constants. Later starts use the ``found`` form. A cache
/// folder that cannot be written is ignored.
package struct Compilation: Sendable {
  package let found: CompiledModel?
  let writer: CompiledModelWriter
  private let cache: ModelCache
  private let sourceFiles: [Graph.SourceFile]
  private let variant: String
  private let threadCount: Int

  /// Models with smaller constants start fast enough without a cache.
  private static let leastByteCount = 1 << 20

  /// - Parameters:
  ///   - sourceFiles: the files of the model
  ///   - variant: how the graph is made from these files
  init(
    found: CompiledModel?, in cache: ModelCache, sourceFiles: [Graph.SourceFile], variant: String,
    threadCount: Int
  ) {
    self.found = found
    self.cache = cache
    self.sourceFiles = sourceFiles
    self.variant = variant
    self.threadCount = threadCount
    writer = CompiledModelWriter(
      folder: cache.folder, modelFiles: sourceFiles, threadCount: threadCount)
  }

  /// Caches the compiled form of `executable` for later starts, if there is anything new in it.
  /// Call it after a run, since plans pack the constants.
  ///
  /// - Returns: whether a file was written
  /// - Throws: `GraftError` if the file cannot be written
  @discardableResult
  package func store(_ executable: Executable) throws -> Bool {
    defer { writer.discard() }
    guard let model = try executable.compiledForm(),
      model.constantByteCount >= Compilation.leastByteCount
    else { return false }
    let content = try cache.content(of: sourceFiles, threads: threadCount)
    let (path, key) = try cache.destination(content, variant: variant)
    try writer.write(model, as: path, key: key)
    cache.removeOldest(besides: path)
    return true
  }
}
