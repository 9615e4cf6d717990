import GraftFiles

extension DataFolder {
  /// The contents of a folder on disk. Links are followed, except into a folder that contains them.
  ///
  /// - Throws: `GraftError` if the folder cannot be read or has too many files
  package static func onDisk(_ path: String) throws -> DataFolder {
    var scan = DiskScan()
    return try scan.folder(name: FilePath.name(of: path), path: path)
  }
}

/// One walk through a folder.
private struct DiskScan {
  private static let entryLimit = 20_000_000
  /// The deepest nesting; deeper folders are ignored.
  private static let depthLimit = 12

  private struct Identity: Hashable {
    let device: dev_t
    let inode: ino_t
  }

  private var entryCount = 0
  /// The folders that contain the current one.
  private var ancestors: [Identity] = []

  mutating func folder(name: String, path: String) throws -> DataFolder {
    guard let status = FileSystem.status(of: path) else { throw GraftError.opening(path) }
    ancestors.append(Identity(device: status.st_dev, inode: status.st_ino))
    defer { ancestors.removeLast() }

    var result = DataFolder(name: name, place: path)
    var folders: [(name: String, path: String)] = []
    let isComplete = try FileSystem.forEachEntry(inFolder: path) { child, kind in
      entryCount += 1
      guard entryCount <= Self.entryLimit else {
        throw GraftError.badData("there are too many files for a dataset").at(path)
      }
      guard !DataFile.isHidden(child) else { return result.leftOut.add(.system) }
      let childPath = FilePath.path(child, in: path)
      switch self.kind(kind, path: childPath) {
      case .file: result.files.append(DataFile(name: child, path: childPath))
      case .folder:
        if ancestors.count < Self.depthLimit {
          folders.append((child, childPath))
        } else {
          result.leftOut.add(.tooDeep)
        }
      case .circle: result.leftOut.add(.link)
      case .special: result.leftOut.add(.special)
      }
    }
    guard isComplete else { throw GraftError.opening(path) }
    for child in folders {
      result.add(try folder(name: child.name, path: child.path))
    }
    result.sort()
    return result
  }

  private enum Kind {
    case file
    case folder
    /// A link to a folder that contains it.
    case circle
    case special
  }

  private func kind(_ kind: FileSystem.EntryKind, path: String) -> Kind {
    switch kind {
    case .file: return .file
    case .folder: return .folder
    case .special: return .special
    case .link, .unknown: break
    }
    // A dangling link counts as a file: an image that cannot be read.
    guard let status = FileSystem.status(of: path) else { return .file }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR:
      let identity = Identity(device: status.st_dev, inode: status.st_ino)
      return ancestors.contains(identity) ? .circle : .folder
    default: return .special
    }
  }
}
