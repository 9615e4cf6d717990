/// Identifies a state of a file without reading its content.
package struct FileIdentity: Hashable, Sendable {
  package var device: UInt64
  package var inode: UInt64
  package var byteCount: Int
  /// Nanoseconds since 1970.
  package var modificationTime: Int
  package var changeTime: Int

  package init(
    device: UInt64, inode: UInt64, byteCount: Int, modificationTime: Int, changeTime: Int
  ) {
    self.device = device
    self.inode = inode
    self.byteCount = byteCount
    self.modificationTime = modificationTime
    self.changeTime = changeTime
  }

  package init(_ status: stat) {
    func nanoseconds(_ time: timespec) -> Int { time.tv_sec &* 1_000_000_000 &+ time.tv_nsec }
    self.init(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), byteCount: Int(status.st_size),
      modificationTime: nanoseconds(status.st_mtim), changeTime: nanoseconds(status.st_ctim))
  }

  /// `nil` if there is no regular file.
  package init?(path: String) {
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    self.init(status)
  }

  /// Like ``init(path:)``, for an open file.
  package init?(descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    self.init(status)
  }
}
