import GraftFiles

/// The weights of a model, in a file next to it.
///
/// The file is named after its content: `MODEL-0123456789abcdef.data`. The old weights are removed
/// only after the new model has replaced the one that refers to them.
struct ExternalDataFile {
  /// Receives the content, in order.
  let file: AtomicFile
  private let modelPath: String
  private var folder: String { Self.folder(of: modelPath) }
  private let name = Name()

  /// The name once it is known.
  private final class Name { var value = "" }

  init(beside modelPath: String) throws {
    self.modelPath = modelPath
    file = try AtomicFile(path: modelPath + Self.suffix)
  }

  private static let suffix = ".data"
  private static let digitCount = 16

  /// The name of the file, derived from its content, which must be complete.
  func chooseName() throws -> String {
    let content = try file.mapped()
    let bytes = UnsafeRawBufferPointer(start: content.baseAddress, count: content.byteCount)
    let digits = String(Fingerprint(bytes).value, radix: 16)
    let padded = String(repeating: "0", count: Self.digitCount - digits.count) + digits
    // A file with other content but the same fingerprint is kept.
    var number = 1
    while true {
      let addition = number == 1 ? "" : "-\(number)"
      name.value = "\(Self.fileName(modelPath))-\(padded)\(addition)\(Self.suffix)"
      guard let other = try? Storage.mappedFile(path: folder + name.value),
        other.byteCount != content.byteCount
          || memcmp(other.baseAddress, content.baseAddress, content.byteCount) != 0
      else { break }
      number += 1
    }
    withExtendedLifetime(content) {}
    return name.value
  }

  /// Puts the weights and then the model in place; then removes the previous model's weights.
  func commit(with model: AtomicFile) throws {
    try Self.replacing(modelPath, keeping: name.value) {
      let existed = FileSystem.exists(folder + name.value)
      try file.commit(as: folder + name.value)
      do {
        try model.commit()
      } catch {
        if !existed { FileSystem.remove(folder + name.value) }
        throw error
      }
    }
  }

  // MARK: Weights of the old model

  /// Runs `body`, which replaces a model. Then removes the weights that an earlier export wrote for
  /// it and that no other file in the folder mentions.
  ///
  /// - Parameter kept: a file that the new model refers to
  static func replacing(
    _ modelPath: String, keeping kept: String = "", _ body: () throws -> Void
  ) throws {
    let folder = folder(of: modelPath)
    // Two exports to one place must not remove each other's weights.
    let lock = FileSystem.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if lock >= 0 { while flock(lock, LOCK_EX) != 0, errno == EINTR {} }
    defer { if lock >= 0 { close(lock) } }
    let old = try? Storage.mappedFile(path: modelPath)
    try body()
    guard let old, mentions(old, fileName(modelPath) + "-") else { return }
    let (weights, others) = entries(of: folder, besides: fileName(modelPath))
    for name in weights where name != kept && mentions(old, name) {
      let isShared = others.contains { mayBeModel(folder + $0, thatMentions: name) }
      if !isShared { FileSystem.remove(folder + name) }
    }
  }

  /// The weight files that exports of this model wrote, and all other entries.
  private static func entries(
    of folder: String, besides modelName: String
  ) -> (weights: [String], others: [String]) {
    var (weights, others): ([String], [String]) = ([], [])
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      if isWeights(name, of: modelName) {
        weights.append(name)
      } else if name != modelName {
        others.append(name)
      }
    }
    return (weights, others)
  }

  /// Whether a file, whatever its name, could be a model that refers to weights of this name.
  private static func mayBeModel(_ path: String, thatMentions name: String) -> Bool {
    guard FileSystem.isRegularFile(path) else { return false }
    // An unreadable file may be a model.
    guard let file = try? Storage.mappedFile(path: path) else { return true }
    let family = FileKind.recognize(file)?.family
    // Skip media, and files too large for protocol buffers.
    guard family != .image, family != .media, file.byteCount <= Int(Int32.max) else { return false }
    return mentions(file, name)
  }

  private static func isWeights(_ name: String, of modelName: String) -> Bool {
    guard name.hasPrefix(modelName + "-"), name.hasSuffix(suffix) else { return false }
    let middle = name.dropFirst(modelName.count + 1).dropLast(suffix.count)
    return middle.count >= digitCount && middle.prefix(digitCount).allSatisfy(\.isHexDigit)
      && middle.dropFirst(digitCount).allSatisfy { $0 == "-" || $0.isNumber }
  }

  private static func mentions(_ model: Storage, _ name: String) -> Bool {
    defer { withExtendedLifetime(model) {} }
    return UnsafeRawBufferPointer(start: model.baseAddress, count: model.byteCount)
      .contains(bytesOf: name)
  }

  private static func fileName(_ path: String) -> String { FilePath.name(of: path) }

  /// With a slash at the end.
  private static func folder(of path: String) -> String {
    let folder = FilePath.folder(of: path)
    return folder.isEmpty ? "./" : FilePath.path("", in: folder)
  }
}
