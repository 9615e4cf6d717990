import GraftFiles

/// The folder of the models with names, both pulled and added.
///
/// `$GRAFT_HOME`, otherwise `$XDG_CACHE_HOME/graft`, otherwise `~/.cache/graft`. Its subfolder
/// `models` has the manifest's models under their official file names.
package struct ModelStore: Sendable {
  /// A known model, whether or not its file is present.
  package struct Entry: Sendable {
    package var name: String
    package var aliases: [String]
    package var summary: String
    package var path: String
    /// `nil` if the file is missing.
    package var byteCount: Int?
    /// The manifest's description; `nil` for added files other than the official one.
    package var model: ModelManifest.Model?
    /// The checksum of an added file; `nil` for others.
    package var addedChecksum: Checksum?
    /// The user's description of an added file, as metadata of its graph.
    package var metadata: [String: String] = [:]

    package var isPresent: Bool { byteCount != nil }
  }

  package let root: String
  package let manifest: ModelManifest
  /// Whether network access is forbidden.
  package let isOffline: Bool
  package var patience = Download.Patience()

  var folder: String { "\(root)/models" }

  package init(root: String, manifest: ModelManifest = .builtIn, isOffline: Bool = false) {
    self.root = root
    self.manifest = manifest
    self.isOffline = isOffline
  }

  /// The store that the environment variables specify.
  ///
  /// - Throws: `GraftError` if none of `GRAFT_HOME`, `XDG_CACHE_HOME` and `HOME` is set, or if
  ///   `GRAFT_OFFLINE` is invalid
  package init(manifest: ModelManifest = .builtIn) throws {
    try self.init(
      root: ModelStore.root(environment: ModelStore.environmentVariable), manifest: manifest,
      isOffline: ModelStore.isOffline(environment: ModelStore.environmentVariable))
  }

  package static func root(environment: (String) -> String?) throws -> String {
    if let home = environment("GRAFT_HOME") { return home }
    // The XDG specification says to ignore relative paths.
    if let cache = environment("XDG_CACHE_HOME"), FilePath.isAbsolute(cache) {
      return "\(cache)/graft"
    }
    guard let home = environment("HOME") else {
      throw GraftError.usage(
        "there is no folder for models", hint: "Set GRAFT_HOME to a folder for models")
    }
    return "\(home)/.cache/graft"
  }

  /// Whether `GRAFT_OFFLINE` forbids network access.
  ///
  /// - Throws: `GraftError` if its value is neither yes nor no
  package static func isOffline(environment: (String) -> String?) throws -> Bool {
    guard let value = environment("GRAFT_OFFLINE") else { return false }
    switch value.lowercased() {
    case "1", "true", "yes", "on": return true
    case "", "0", "false", "no", "off": return false
    default:
      throw GraftError.usage(
        "invalid value '\(value)' for GRAFT_OFFLINE",
        hint: "Use 1, true, yes or on; or 0, false, no or off")
    }
  }

  /// The value of a variable; `nil` if unset or empty.
  package static func environmentVariable(_ name: String) -> String? {
    FileSystem.environmentVariable(name)
  }

  /// All models of the manifest, then the added ones, including those with damaged records.
  package func list() -> [Entry] {
    let (added, damaged) = addedRecords()
    let known = manifest.models.map { model -> Entry in
      let record = added[model.name]
      let own =
        damaged.contains(model.name)
        ? damagedEntry(model.name)
        : record.flatMap { $0.officialName == nil ? self.entry($0) : nil }
      var entry = own ?? self.entry(model, added: record)
      // An added file takes precedence over an alias.
      entry.aliases.removeAll { added[$0] != nil || damaged.contains($0) }
      return entry
    }
    let names = Set(manifest.models.map(\.name))
    let others = added.values.map { self.entry($0) } + damaged.map { damagedEntry($0) }
    return known
      + others.filter { !names.contains($0.name) }.sorted { $0.name < $1.name }
  }

  /// The model with that name or alias.
  ///
  /// - Throws: `GraftError` that lists the available names, or says that the embedded model has no
  ///   file, or that the record of an added one is damaged
  package func entry(named name: String) throws -> Entry {
    guard name != EmbeddedModel.name else {
      throw GraftError.usage(
        "'\(name)' is built in and has no file",
        hint: "'graft convert \(name) FILE.onnx' writes it to a file")
    }
    let model = manifest.model(named: name)
    if let recorded = recordedName(name) {
      guard let record = addedRecord(recorded) else { throw damaged(recorded) }
      if record.officialName == nil { return entry(record) }
    }
    if let model { return entry(model, added: addedRecord(model.name)) }
    let entries = list()
    let names = entries.flatMap { [$0.name] + $0.aliases } + [EmbeddedModel.name]
    throw GraftError(
      .noInput, "there is no model named '\(name)'",
      hint: nearestNamesHint(name, among: names)
        ?? "There are \(([EmbeddedModel.name] + entries.map(\.name)).listed(limit: 20))")
  }

  /// The path of a model's file.
  ///
  /// - Throws: `GraftError` that says what is missing, its address and checksum, and where to put
  ///   it
  package func path(for name: String) throws -> String {
    let entry = try entry(named: name)
    guard entry.isPresent else { throw missing(entry) }
    if let record = addedRecord(entry.name) { try requireUnchanged(record) }
    return entry.path
  }

  /// Downloads the file of a model unless it exists; continues an interrupted download.
  ///
  /// - Returns: the path of the file
  /// - Throws: `GraftError` if the network is forbidden or fails, or if the checksum is wrong
  package func pull(
    _ name: String, progress: @escaping (DownloadProgress) -> Void = { _ in }
  ) throws -> String {
    let entry = try entry(named: name)
    if entry.isPresent {
      if entry.addedChecksum == nil { try verify(entry) }
      return try self.path(for: name)
    }
    guard let model = entry.model else { throw missing(entry) }
    guard !isOffline else {
      var error = missing(entry)
      error.code = .unavailable
      error.message += ", and GRAFT_OFFLINE forbids a download"
      throw error
    }
    let destination = "\(folder)/\(model.file)"
    try TextFile.makeFolder(folder)
    let partial = try PartialFile(for: destination)
    // Another process may have finished before this one got the lock.
    if TextFile.byteCount(destination) != nil {
      partial.remove()
      return destination
    }
    var download = Download(address: model.address, size: model.size, partialFile: partial)
    download.patience = patience
    do {
      try download.run(progress: progress)
    } catch let error as GraftError {
      if partial.byteCount == 0 { partial.remove() }
      throw error.at(model.name)
    }
    if let expected = model.checksum {
      let found = try Checksum(expected.algorithm, ofFile: partial.path)
      guard found == expected else {
        partial.remove()
        throw GraftError.badData(
          "the downloaded file has the checksum \(found) instead of \(expected); it was removed",
          hint: "Pull again; if this repeats, the file at \(model.address) has changed"
        ).at(model.name)
      }
    }
    try partial.moveInPlace(destination)
    return destination
  }

  private func verify(_ entry: Entry) throws {
    guard let expected = entry.model?.checksum else { return }
    let found = try Checksum(expected.algorithm, ofFile: entry.path)
    guard found == expected else {
      throw GraftError.badData(
        "already exists, with the checksum \(found) instead of \(expected)",
        hint: "Remove it to pull it again, or register it with 'graft models add'"
      ).at(entry.path)
    }
  }

  private func missing(_ entry: Entry) -> GraftError {
    guard let model = entry.model else {
      return GraftError(
        .noInput, "the file of the model '\(entry.name)' is missing: \(entry.path)",
        hint: adviceOnAddedFile(entry.name))
    }
    let size = model.size.map { "\($0) bytes" } ?? "of unknown size"
    let checksum = model.checksum.map { ", \($0)" } ?? ""
    return GraftError(
      .noInput, "the model '\(model.name)' is not installed",
      hint: """
        Run one of these:
          \(isOffline ? "GRAFT_OFFLINE=0 " : "")graft models pull \(model.name)
            downloads \(model.address) (\(size)\(checksum))
          graft models add \(model.name) FILE
            registers a file that you have; or copy it to \(entry.path)
        """)
  }

  private func entry(_ model: ModelManifest.Model, added: AddedModel?) -> Entry {
    let path = "\(folder)/\(added?.file ?? model.file)"
    return Entry(
      name: model.name, aliases: model.aliases ?? [], summary: model.summary, path: path,
      byteCount: TextFile.byteCount(path), model: model, addedChecksum: added?.checksum)
  }

  /// The other names of the manifest's model with that name.
  func aliases(of name: String) -> [String] {
    manifest.models.first { $0.name == name }?.aliases ?? []
  }

  func entry(_ record: AddedModel) -> Entry {
    let path = "\(folder)/\(record.file)"
    return Entry(
      name: record.name, aliases: aliases(of: record.name), summary: "added from \(record.source)",
      path: path, byteCount: TextFile.byteCount(path), model: nil, addedChecksum: record.checksum,
      metadata: record.metadata ?? [:])
  }
}
