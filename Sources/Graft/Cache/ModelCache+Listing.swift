import GraftRuntime

extension ModelCache {
  /// A short description of each of `files`; empty for damaged files and other versions.
  package func contents(of files: [File]) -> [String] {
    var names: [String: String] = [:]
    for file in files where file.path.hasSuffix(ModelCache.recordSuffix) {
      guard let record = record(file.path), let name = record.files.first?.name else { continue }
      names[record.hash] = name
    }
    return files.map { file in
      if file.path.hasSuffix(ModelCache.recordSuffix) {
        return record(file.path)?.files.first.map { "checksum of \($0.name)" } ?? ""
      }
      if file.path.hasSuffix(".features") {
        return FeatureFile.rowCount(path: file.path).map { "features of \($0) images" } ?? ""
      }
      guard let key = try? CompiledModel.key(path: file.path) else { return "" }
      let hash = key.split(separator: "\n").first { $0.hasPrefix("content ") }?
        .dropFirst("content ".count)
      return "model \(hash.flatMap { names[String($0)] } ?? "with an unknown name")"
    }
  }
}
