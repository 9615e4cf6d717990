import GraftData
import GraftFiles
import GraftTensor
import GraftVision
import TestSupport
import Testing

@Suite struct ArchiveTests {
  private func open(
    _ members: [TarFixture.Member], limits: ArchiveReader.Limits = ArchiveReader.Limits()
  ) throws -> DataFolder {
    try ArchiveReader.folder(
      FileBytes(copying: TarFixture.archive(members)), place: "x.tar", limits: limits)
  }

  private func message(
    limits: ArchiveReader.Limits = ArchiveReader.Limits(), _ members: [TarFixture.Member]
  ) -> String {
    do {
      _ = try open(members, limits: limits)
      return "no error"
    } catch { return "\(error)" }
  }

  private func content(_ file: DataFile?) throws -> [UInt8]? {
    try file?.bytes().withUnsafeBytes { Array($0) }
  }

  @Test func holdsFoldersAndFiles() throws {
    let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let root = try open([
      .init("./a/b10.txt", [1, 2, 3]), .init("a/b9.txt", large), .init("c.txt"),
      .init("a/b10.txt", [4]), .init(".hidden", [1]), .init("a/__MACOSX/x", [1]),
      .init("empty/", type: "5"),
    ])
    #expect(root.files.map(\.name) == ["c.txt"] && root.folders.map(\.name) == ["a"])
    let a = root.folders[0]
    #expect(a.files.map(\.name) == ["b9.txt", "b10.txt"])
    #expect(a.files.map(\.place) == ["x.tar: a/b9.txt", "x.tar: a/b10.txt"])
    #expect(try content(a.file("b9.txt")) == large)
    #expect(try content(a.file("b10.txt")) == [4])
    #expect(try content(root.file("c.txt")) == [])
  }

  @Test(arguments: ["../x", "a/../../x", "/etc/passwd"]) func refusesPathsThatLeadOut(path: String)
  {
    #expect(message([.init(path, [1])]).contains("which leads out of it"))
  }

  @Test func leavesLinksOutOfTheArchiveAndDevicesOut() throws {
    let root = try open([
      .init("link", type: "2", link: "/etc/passwd"), .init("hard", type: "1", link: "/etc/passwd"),
      .init("a/up", type: "2", link: "../../etc/passwd"),
      .init("to-itself", type: "2", link: "to-itself"),
      .init("nowhere", type: "2", link: "nothing"),
      .init("device", type: "3"), .init("pipe", type: "6"), .init("file", [1]),
    ])
    #expect(root.files.map(\.name) == ["file"])
    #expect(root.allLeftOut.count(.link) == 5 && root.allLeftOut.count(.special) == 2)
  }

  @Test func linksLeadToMembers() throws {
    let root = try open([
      .init("cat/1.bmp", TestImage.bmp(red: 1)),
      .init("dog/1.bmp", type: "1", link: "cat/1.bmp"),
      .init("dog/2.bmp", type: "2", link: "../cat/1.bmp"),
      .init("bird/1.bmp", type: "2", link: "../dog/./2.bmp"),
      .init("mouse", type: "2", link: "cat"), .init("cat/circle", type: "2", link: "../cat"),
      .init(".store/x.xyz", TestImage.bmp(red: 9)),
      .init("cat/9.bmp", type: "1", link: ".store/x.xyz"),
      .init("bird/9.bmp", type: "2", link: "../.store/x.xyz"),
    ])
    #expect(root.folders.map(\.name) == ["bird", "cat", "dog", "mouse"])
    for folder in root.folders {
      for file in folder.files {
        let red: UInt8 = file.name == "9.bmp" ? 9 : 1
        #expect(try content(file) == TestImage.bmp(red: red), "\(file.place)")
      }
    }
    #expect(root.folders.map(\.files.count) == [2, 2, 2, 2])
    // The circle is met in cat and in mouse.
    #expect(root.allLeftOut.count(.link) == 2 && root.allLeftOut.count(.system) == 1)
  }

  @Test func foldersOfLinksDoNotExplode() {
    var members = [TarFixture.Member("d0/x.bmp", [1])]
    for level in 1...30 {
      for name in ["a", "b"] {
        members.append(.init("d\(level)/\(name)", type: "2", link: "../d\(level - 1)"))
      }
    }
    var limits = ArchiveReader.Limits()
    limits.byteCount = 1 << 20
    #expect(message(limits: limits, members).contains("more than 1 MB"))
  }

  @Test func namesCountAsMemory() {
    let path = [String](repeating: "x", count: 30).joined(separator: "/")
    var limits = ArchiveReader.Limits()
    limits.byteCount = 1 << 20
    let members = (0..<200).map { TarFixture.Member("c\($0)/\(path)") }
    #expect(message(limits: limits, members).contains("more than 1 MB"))
  }

  /// Of a member that is called an image and is none, only its beginning is kept.
  @Test func whatIsNoImageIsNotKept() throws {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    let root = try ArchiveReader.folder(
      FileBytes(copying: TarFixture.gzipped(TarFixture.archive([.init("a.jpg", zeros)]))),
      place: "x")
    #expect(try root.file("a.jpg")?.bytes().count == 512)
    let other = try open([.init("a.mp4", zeros), .init("b.txt", [1])])
    #expect(other.files.map(\.name) == ["b.txt"])
    #expect(other.allLeftOut.count(.otherKind(ending: "mp4")) == 1)
  }

  @Test func whatIsReplacedIsCounted() throws {
    let root = try open([.init("a.bmp", [1]), .init("a.bmp", [2])])
    #expect(try content(root.file("a.bmp")) == [2])
    #expect(root.allLeftOut.count(.replaced) == 1)
  }

  @Test func namesInTarAreBytes() throws {
    let root = try open([
      .init("caf\u{10F7E9}/1.bmp", [1]), .init("\u{e9}/1.bmp", [1]), .init("e\u{301}/1.bmp", [1]),
    ])
    #expect(
      Set(root.folders.map(\.name.fileNameBytes))
        == [[0x63, 0x61, 0x66, 0xe9], [0xc3, 0xa9], [0x65, 0xcc, 0x81]])
  }

  @Test func keepsLimits() {
    var limits = ArchiveReader.Limits()
    limits.memberCount = 3
    let members = (0..<4).map { TarFixture.Member("\($0)", [1]) }
    #expect(message(limits: limits, members).contains("more than 3 members"))
    limits = ArchiveReader.Limits()
    limits.byteCount = 1 << 20
    // Skipped members count too: they have to be unpacked to get past them.
    let large = [UInt8](repeating: 0, count: 600_000)
    #expect(
      message(limits: limits, [.init("a", large), .init(".b", large)]).contains("more than 1 MB"))
    let deep = [String](repeating: "d", count: 40).joined(separator: "/")
    #expect(message([.init(deep, [1])]).contains("more than 32 folders"))
  }

  @Test func aSizeThatLiesTakesNoMemory() {
    #expect(message([.init("a", [1], declaredSize: 8_000_000_000)]).contains("is damaged"))
  }

  @Test func bombsStopAtTheLimit() throws {
    let zeros = [UInt8](repeating: 0, count: 4 << 20)
    let bomb = try TarFixture.gzipped(TarFixture.archive([.init("a", zeros)]))
    #expect(bomb.count < 10_000)
    var limits = ArchiveReader.Limits()
    limits.byteCount = 1 << 20
    expectError(.badData, "1 MB") {
      try ArchiveReader.folder(FileBytes(copying: bomb), place: "x", limits: limits)
    }
    expectError(.badData, "1 MB") {
      try ArchiveReader.unpacked(FileBytes(copying: TarFixture.gzipped(zeros)), limits: limits)
    }
  }

  @Test func cutOffArchivesAreErrors() throws {
    let archive = try TarFixture.gzipped(
      TarFixture.archive([.init("a", (0..<2000).map { UInt8(truncatingIfNeeded: $0 * $0) })]))
    for count in [1, 5, 20, archive.count / 2, archive.count - 9] {
      expectError(.badData) {
        try ArchiveReader.folder(FileBytes(copying: Array(archive[..<count])), place: "x")
      }
    }
    expectError(.badData) {
      try ArchiveReader.folder(FileBytes(copying: Array("no archive".utf8)), place: "x")
    }
  }

  @Test func namesAreUnicode() throws {
    #expect(try open([.init("Zürich/猫.jpg", [1])]).folders[0].name == "Zürich")
    // ZIP says what its names are written in, and libarchive converts them.
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.zip"
    try NPZFile.write([("Zürich/猫", try Tensor([1] as [UInt8], shape: [1]))], path: path)
    let root = try ArchiveReader.folder(path: path)
    #expect(root.folders[0].files[0].place == "\(path): Zürich/猫.npy")
  }

  @Test func imagesInArchivesAreADataset() throws {
    let folder = try TemporaryFolder()
    let members = ["cat", "dog"].flatMap { name in
      (0..<3).map { TarFixture.Member("train/\(name).\($0).bmp", TestImage.bmp(red: UInt8($0))) }
    }
    let plain = try folder.write("a.tar", TarFixture.archive(members))
    let packed = try folder.write("b.tgz", TarFixture.gzipped(TarFixture.archive(members)))
    for path in [plain, packed] {
      let dataset = try ImageDataset.open(path)
      #expect(dataset.classNames == ["cat", "dog"] && dataset.items.count == 6)
      #expect(dataset.items[4].image.place == "\(path): train/dog.1.bmp")
      #expect(try dataset.items[4].image().samples.first == 1)
    }
  }
}
