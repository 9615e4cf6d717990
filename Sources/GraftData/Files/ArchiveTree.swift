import GraftFiles

/// Files and folders built from the members of an archive.
final class ArchiveTree {
  /// An entry of a folder other than a folder.
  private enum Entry {
    case file(FileBytes)
    /// The path from the archive's root; `nil` if it leads out of the archive.
    case link([String]?)
  }

  /// A name as a key, compared by its bytes.
  private struct Name: Hashable {
    let text: String

    static func == (left: Name, right: Name) -> Bool {
      left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
      for byte in text.utf8 { hasher.combine(byte) }
    }
  }

  private var files: [Name: Entry] = [:]
  private var folders: [Name: ArchiveTree] = [:]
  /// Members that only links lead to, by path; only in the root.
  private var targets: [Name: FileBytes] = [:]
  private let budget: ArchiveBudget
  /// The files left out in the folder itself.
  var leftOut = LeftOutFiles()

  /// The longest chain of links; a longer one is a cycle.
  private static let linkLimit = 40

  init(_ budget: ArchiveBudget) { self.budget = budget }

  /// A later member replaces an earlier one with the same path, as in tar.
  ///
  /// - Throws: `GraftError` if the names alone take too much memory
  func insert(_ content: FileBytes, _ path: [String]) throws { try insert(.file(content), path) }

  /// A link to another member; `nil` for a target outside the archive.
  func insert(linkTo target: [String]?, _ path: [String]) throws {
    try budget.reserve(names: target ?? [])
    try insert(.link(target), path)
  }

  /// Stores a member that only links use.
  func insert(target content: FileBytes, _ path: [String]) {
    targets[Name(text: path.joined(separator: "/"))] = content
  }

  private func insert(_ entry: Entry, _ path: [String]) throws {
    var tree = self
    for (depth, name) in path.dropLast().enumerated() {
      if let child = tree.folders[Name(text: name)] {
        tree = child
      } else {
        try budget.reserve(names: path.prefix(depth + 1))
        let child = ArchiveTree(budget)
        tree.folders[Name(text: name)] = child
        tree = child
      }
    }
    try budget.reserve(names: path[...])
    if let name = path.last, tree.files.updateValue(entry, forKey: Name(text: name)) != nil {
      tree.leftOut.add(.replaced)
    }
  }

  /// The missing targets of links, as paths from the root.
  var missingTargets: [[String]] {
    var missing: [[String]] = []
    forEachLink { path in if self.entry(at: path) == nil { missing.append(path) } }
    return missing
  }

  private func forEachLink(_ body: ([String]) -> Void) {
    for case .link(let target?) in files.values { body(target) }
    for folder in folders.values { folder.forEachLink(body) }
  }

  private enum Found {
    case file(FileBytes)
    case folder(ArchiveTree)
  }

  /// The entry at a path from this root, after following links.
  private func entry(at path: [String], links: Int = 0) -> Found? {
    guard links <= Self.linkLimit else { return nil }
    var tree = self
    for (depth, name) in path.enumerated() {
      let isLast = depth == path.count - 1
      if let folder = tree.folders[Name(text: name)] {
        tree = folder
        continue
      }
      switch tree.files[Name(text: name)] {
      case .file(let bytes)?: return isLast ? .file(bytes) : nil
      case .link(let target?)?:
        return entry(at: target + path[(depth + 1)...], links: links + 1)
      case .link(nil)?: return nil
      case nil: return targets[Name(text: path.joined(separator: "/"))].map { .file($0) }
      }
    }
    return .folder(tree)
  }

  /// - Parameter place: the archive's name in messages
  func folder(place: String) throws -> DataFolder {
    try folder(
      FilePath.name(of: place), place: place, separator: ": ", root: self, ancestors: [],
      isLinked: false)
  }

  private func folder(
    _ name: String, place: String, separator: String, root: ArchiveTree,
    ancestors: [ObjectIdentifier], isLinked: Bool
  ) throws -> DataFolder {
    let ancestors = ancestors + [ObjectIdentifier(self)]
    var result = DataFolder(name: name, place: place)
    result.leftOut = leftOut
    func add(_ tree: ArchiveTree, _ name: String, isLinked: Bool) throws {
      let childPlace = place + separator + name
      // Links to folders can multiply files.
      if isLinked { try budget.reserve(names: [childPlace]) }
      result.add(
        try tree.folder(
          name, place: childPlace, separator: "/", root: root, ancestors: ancestors,
          isLinked: isLinked))
    }
    func add(_ bytes: FileBytes, _ name: String) throws {
      let childPlace = place + separator + name
      if isLinked { try budget.reserve(names: [childPlace]) }
      result.files.append(DataFile(name: name, place: childPlace, unpacked: bytes))
    }
    for (name, tree) in folders { try add(tree, name.text, isLinked: isLinked) }
    for (name, entry) in files {
      switch entry {
      case .file(let bytes): try add(bytes, name.text)
      case .link(let target):
        switch target.flatMap({ root.entry(at: $0) }) {
        case .file(let bytes)?: try add(bytes, name.text)
        case .folder(let tree)?
        where !ancestors.contains(ObjectIdentifier(tree)) && ancestors.count < Self.linkLimit:
          try add(tree, name.text, isLinked: true)
        default: result.leftOut.add(.link)
        }
      }
    }
    result.sort()
    return result
  }
}

/// The memory that an archive may still use for members and names.
final class ArchiveBudget {
  private let limit: Int
  private var taken = 0

  /// The approximate cost of a file or folder besides its name.
  private static let entryCost = 400
  /// Real data hardly compress; what expands further is not a dataset, unless it is small.
  private static let expansionLimit = 100
  private static let smallByteCount = 512 << 20

  static let hint = "Unpack it and use the folder"

  /// - Parameter packedByteCount: the size of the archive
  init(_ limits: ArchiveReader.Limits, packedByteCount: Int) {
    let expanded = packedByteCount.multipliedReportingOverflow(by: Self.expansionLimit)
    limit = min(
      limits.byteCount,
      max(Self.smallByteCount, expanded.overflow ? Int.max : expanded.partialValue))
  }

  /// - Throws: `GraftError` if the limit is exceeded
  func reserve(_ byteCount: Int) throws {
    let (sum, overflow) = taken.addingReportingOverflow(byteCount)
    guard !overflow, sum <= limit else {
      throw GraftError.badData(
        "unpacks to more than \(limit >> 20) MB, the limit", hint: Self.hint)
    }
    taken = sum
  }

  /// Counts the cost of an entry with that path.
  func reserve(names: some Sequence<String>) throws {
    try reserve(names.reduce(Self.entryCost) { $0 + $1.utf8.count })
  }
}
