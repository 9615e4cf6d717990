import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension DataFolder {
  /// What lies in a folder on disk. Links are followed, but not back into a folder they lie in.
  ///
  /// - Throws: `GraftError` if the folder cannot be read or holds more files than a data set has.
  package static func onDisk(_ path: String) throws -> DataFolder {
    var scan = DiskScan()
    return try scan.folder(name: path, path: path)
  }
}

/// One walk through a folder.
private struct DiskScan {
  private static let entryLimit = 20_000_000
  /// Folders within folders; what lies deeper is not looked at.
  private static let depthLimit = 12

  private struct Identity: Hashable {
    let device: dev_t
    let inode: ino_t
  }

  private var entryCount = 0
  /// The folders that the current one lies in.
  private var ancestors: [Identity] = []

  mutating func folder(name: String, path: String) throws -> DataFolder {
    var status = stat()
    guard stat(path, &status) == 0, let directory = opendir(path) else {
      throw GraftError(
        .noInput, "cannot be read: \(String(cString: strerror(errno)))", places: [path])
    }
    defer { closedir(directory) }
    ancestors.append(Identity(device: status.st_dev, inode: status.st_ino))
    defer { ancestors.removeLast() }

    var result = DataFolder(name: name, place: path)
    while let entry = readdir(directory) {
      let child = Self.name(of: entry)
      if DataFile.isHidden(child) { continue }
      let childPath = path.hasSuffix("/") ? path + child : "\(path)/\(child)"
      entryCount += 1
      guard entryCount <= Self.entryLimit else {
        throw GraftError.badData("there are more files than in any data set").at(path)
      }
      switch kind(of: entry, path: childPath) {
      case .file:
        result.files.append(DataFile(name: child, path: childPath))
      case .folder:
        if ancestors.count < Self.depthLimit {
          result.folders.append(try folder(name: child, path: childPath))
        }
      case .other: continue
      }
    }
    result.sort()
    return result
  }

  private enum Kind {
    case file
    case folder
    case other
  }

  private func kind(of entry: UnsafeMutablePointer<dirent>, path: String) -> Kind {
    switch Int(entry.pointee.d_type) {
    case Int(DT_REG): return .file
    case Int(DT_DIR): return .folder
    case Int(DT_LNK), Int(DT_UNKNOWN): break
    default: return .other
    }
    var status = stat()
    // A link to nothing counts as a file: if it is a picture, it is an unreadable one.
    guard stat(path, &status) == 0 else { return .file }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR:
      let identity = Identity(device: status.st_dev, inode: status.st_ino)
      return ancestors.contains(identity) ? .other : .folder
    default: return .other
    }
  }

  private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
    let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
    return String(
      cString: (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
  }
}
