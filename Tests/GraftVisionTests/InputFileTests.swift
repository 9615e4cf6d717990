import Foundation
import GraftFiles
import TestSupport
import Testing

@Suite struct InputFileTests {
  @Test func readsWholeFiles() throws {
    let path = Fixtures.path("photos.tsv")
    #expect(try Data(InputFile.read(path)) == Data(contentsOf: URL(filePath: path)))
  }

  @Test func saysWhatIsWrong() throws {
    let missing = #expect(throws: GraftError.self) { try InputFile.read("/no/such/image") }
    #expect(missing?.code == .noInput)
    #expect(
      missing?.description == "/no/such/image: cannot be opened: No such file or directory")
    let folder = #expect(throws: GraftError.self) { try InputFile.read("/") }
    #expect(folder?.description == "/: is a folder, not a regular file")
  }

  @Test func keepsToTheLimit() throws {
    let path = Fixtures.path("rgb-8.png")
    let count = try InputFile.read(path).count
    #expect(try InputFile.read(path, byteLimit: count).count == count)
    expectError(.badData, path, "\(count - 1) bytes") {
      try InputFile.read(path, byteLimit: count - 1)
    }
    // A device does not say how large it is.
    expectError(.noInput, "/dev/zero", "a device") {
      try InputFile.read("/dev/zero", byteLimit: 100_000)
    }
  }
}
