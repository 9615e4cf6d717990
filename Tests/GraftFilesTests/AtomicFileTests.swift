import Foundation
import GraftFiles
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  /// What becomes of a pipe is asked for by name, and does not follow from the mode.
  @Test(arguments: [0o666, AtomicFile.ownMode] as [mode_t], [false, true])
  func pipesAreReplacedWhereThatIsAskedFor(mode: mode_t, replaces: Bool) throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/file"
    #expect(mkfifo(path, 0o600) == 0)
    func write() throws {
      try [UInt8](repeating: 1, count: 3).withUnsafeBytes {
        try AtomicFile.write($0, to: path, mode: mode, replacesSpecialFiles: replaces)
      }
    }
    if replaces {
      try write()
      #expect(FileSystem.isRegularFile(path))
    } else {
      expectError(.cannotCreate, path) { try write() }
      #expect(FileSystem.status(of: path).map { $0.st_mode & S_IFMT } == S_IFIFO)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
  }
}
