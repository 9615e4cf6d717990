import GraftFiles
import Testing

@Suite struct FileNameTests {
  @Test(
    arguments: [
      Array("plain.png".utf8), Array("\u{e9}".utf8), Array("e\u{301}".utf8), [], [0xe9],
      [0x63, 0xe9, 0x2f, 0xfc],
      [0xc3], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xc0, 0xaf],
      Array(0x80...0xff), Array("\u{10F7E9}".utf8), Array("\u{10F780}a\u{10F7FF}".utf8) + [0xf4],
      Array("\u{10FFFF}\u{F0000}\u{1F600}".utf8), [0xf4, 0x8f, 0x9f], [0x0a, 0x1b, 0x5b],
    ] as [[UInt8]]) func namesComeBackAsBytes(bytes: [UInt8])
  {
    let text = String(fileName: bytes)
    #expect(text.fileNameBytes == bytes)
    #expect(text.withFileName { String(fileName: $0) } == text)
    if let valid = String(validating: bytes, as: UTF8.self), !bytes.contains(0xf4) {
      #expect(Array(text.utf8) == Array(valid.utf8))
    }
  }

  @Test func differentNamesAreDifferentTexts() {
    // The text that represents a byte is itself the name of another file.
    let names: [[UInt8]] = [[0xe9], Array("\u{10F7E9}".utf8), Array("\\xE9".utf8)]
    #expect(Set(names.map { String(fileName: $0) }).count == 3)
  }

  @Test func charactersTellTheirBytes() {
    #expect(String(fileName: [0x63, 0xe9]).unicodeScalars.map(\.fileNameByte) == [nil, 0xe9])
    #expect("\u{e9}".unicodeScalars.map(\.fileNameByte) == [nil])
  }

  @Test func pathsHaveParts() {
    #expect(FilePath.folder(of: "a/b/c.png") == "a/b" && FilePath.folder(of: "/c") == "/")
    #expect(FilePath.folder(of: "c") == "" && FilePath.folder(of: "a/\u{301}b") == "a")
    #expect(FilePath.name(of: "a/b/c.png") == "c.png" && FilePath.name(of: "a/b/") == "b")
    #expect(FilePath.ending(of: "a.b/c.PNG") == "png" && FilePath.ending(of: "a.b/c") == "")
    #expect(FilePath.ending(of: ".png") == "" && FilePath.ending(of: "x.tar.gz") == "gz")
    #expect(FilePath.components(of: "/a//\u{301}/b/") == ["a", "\u{301}", "b"])
    #expect(FilePath.path("c", in: "") == "c" && FilePath.path("c", in: "a/") == "a/c")
    #expect(FilePath.path("c", in: "/") == "/c" && FilePath.path("c", in: "a") == "a/c")
  }

  @Test func filesHaveTheirOwnNames() throws {
    let prefix = "/tmp/graft-\u{10F7E9}-"
    let (descriptor, path) = try #require(FileSystem.makeTemporaryFile(prefix: prefix))
    defer { FileSystem.remove(path) }
    #expect(descriptor >= 0 && path.hasPrefix(prefix))
    #expect(FileSystem.realPath(path) == path && FileSystem.isRegularFile(path))
    var names: [String] = []
    #expect(FileSystem.forEachEntry(inFolder: "/tmp") { name, _ in names.append(name) })
    #expect(names.contains { "/tmp/\($0)" == path })
    #expect(FileSystem.open("/tmp/\0x", 0) == -1 && !FileSystem.exists("/tmp\0/x"))
    #expect(try Storage.mappedFile(path: path).byteCount == 0)
  }
}
