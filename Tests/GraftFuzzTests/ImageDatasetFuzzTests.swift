import Foundation
import GraftData
import GraftTensor
import GraftVision
import TestSupport
import Testing

extension FuzzTests {
  /// Damaged files of data sets of images.
  @Suite(.serialized) struct ImageDatasets {
    @Test func pickles() throws {
      let seeds =
        PickleFixture.pickles.map(\.bytes) + [
          CIFARFixture.meta([("label_names", ["a", "b"]), ("x", [])]),
          Array("(dp1\nS'names'\np2\n(lp3\nS'it\\'s'\np4\naS\"a\\x41\"\np5\nasI01\nL-5L\ns.".utf8),
          Array("(lV\\u00e9\\U0001F600\np1\nag1\na(I1\nI2\nteK\u{1}a.".utf8),
        ]
      try damage(seeds, name: "pickles", kind: 20, count: 6_000) { bytes in
        Self.touch(try PickleReader.read(FileBytes(copying: bytes)))
      }
    }

    /// Pickles of instructions in any order, most of which get somewhere.
    @Test func pickledInstructions() throws {
      try CaseRunner(name: "pickled-instructions", kind: 21, count: 6_000).run { _, generator in
        Self.touch(try PickleReader.read(FileBytes(copying: Self.instructions(&generator))))
        return true
      }
    }

    @Test func cifar() throws {
      let folder = try TemporaryFolder()
      let names = ["data_batch_1.bin", "data_batch_1"]
      let seeds = [
        CIFARFixture.binary(labels: [[0], [1], [2]]),
        CIFARFixture.pickle(labels: [("labels", [0, 1, 2])]),
      ]
      try CaseRunner(name: "cifar", kind: 22, count: 1_000).run { number, generator in
        let index = number % seeds.count
        for name in names { unlink("\(folder.path)/\(name)") }
        try folder.write(
          names[index], ByteMutation.apply(to: seeds[index], splicing: seeds[index], &generator))
        try folder.write("batches.meta.txt", text: "a\nb\nc\n")
        try folder.write("batches.meta", CIFARFixture.meta([("label_names", ["a", "b", "c"])]))
        Self.touch(try ImageDataset.open(folder.path))
        return true
      }
    }

    @Test func tables() throws {
      let folder = try TemporaryFolder()
      for name in ["a.bmp", "b.bmp"] { try folder.write(name, TestImage.bmp()) }
      let seeds = [
        "a.bmp,cat\nb.bmp,dog\n", "id;Path;label\r\n1;\"a.bmp\";1\r\n2;b.bmp;\"2\"\r\n",
        "file\tclass\n\"b.\"\"bmp\"\tx\nb.bmp\ty\n../x\tz\n",
      ].map { Array($0.utf8) }
      try damage(seeds, name: "tables", kind: 23, count: 2_000) { bytes in
        Self.touch(try ImageDataset.open(folder.write("table.csv", bytes)))
      }
    }

    @Test func archives() throws {
      let folder = try TemporaryFolder()
      let path = "\(folder.path)/archive"
      let members = ["cat", "dog"].flatMap { name in
        (0..<2).map { TarFixture.Member("train/\(name)/\($0).bmp", TestImage.bmp()) }
      }
      let tar = TarFixture.archive(members + [.init("link", type: "2", link: "/etc/passwd")])
      try NPZFile.write(
        [("cat/a.bmp", try Tensor([1, 2] as [UInt8], shape: [2]))], path: "\(path).npz")
      let zip = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path).npz")))
      let idx: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 5, 6]
      let seeds = [tar, try TarFixture.gzipped(tar), zip, try TarFixture.gzipped(idx)]
      try damage(seeds, name: "archives", kind: 24, count: 3_000) { bytes in
        let content = try FileBytes(copying: bytes)
        if let unpacked = try? ArchiveReader.unpacked(content) { Self.touch(unpacked) }
        if let tensor = try? IDXFile.read(content) { Self.touch(tensor) }
        Self.touch(try ArchiveReader.folder(content, place: "archive"))
      }
    }

    private func damage(
      _ seeds: [[UInt8]], name: String, kind: UInt64, count: Int,
      _ read: ([UInt8]) throws -> Void
    ) throws {
      try CaseRunner(name: name, kind: kind, count: count).run { number, generator in
        let index = number % seeds.count
        try read(
          ByteMutation.apply(
            to: seeds[index], splicing: seeds[(number / seeds.count) % seeds.count], &generator))
        return true
      }
    }

    /// Whole instructions, so that more than their bytes is tried.
    private static func instructions(_ generator: inout Generator) -> [UInt8] {
      let parts: [[UInt8]] =
        [
          "(", "(", "]", "}", ")", "a", "e", "s", "u", "t", "l", "d", "R", "b", "N", "K\u{1}",
          "K\u{3}", "U\u{1}b", "U\u{2}u1", "U\u{3}\u{1}\u{2}\u{3}", "X\u{6}\u{0}\u{0}\u{0}latin1",
          "cnumpy\nndarray\n", "cnumpy\ndtype\n", "cnumpy.core.multiarray\n_reconstruct\n",
          "c_codecs\nencode\n", "q\u{1}", "h\u{1}", "q\u{2}", "h\u{2}", "I00\n", "I-4\n",
          "(K\u{3}U\u{1}|NNNtb", "cnumpy\ndtype\n(U\u{2}u1K\u{0}K\u{1}tR",
          "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\u{0}tU\u{1}btR",
        ].map { Array($0.utf8) } + [[0x85], [0x86], [0x87], [0x88], [0x89], [0x93], [0x94]]
      var bytes: [UInt8] = [0x80, 2]
      for _ in 0...generator.below(40) { bytes += generator.pick(parts) ?? [] }
      return bytes + [0x2e]
    }

    // MARK: Reading every byte, which must lie in memory

    private static func touch(_ value: PickleValue) {
      switch value {
      case .none, .bool, .integer: break
      case .bytes(let bytes), .text(let bytes): touch(bytes)
      case .list(let list), .tuple(let list): for element in list.elements { touch(element) }
      case .dictionary(let dictionary): for entry in dictionary.entries.values { touch(entry) }
      case .array(let tensor): touch(tensor)
      }
      _ = (value.string, value.integers, value.strings)
    }

    private static func touch(_ bytes: FileBytes) {
      _ = bytes.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
    }

    private static func touch(_ tensor: Tensor) {
      _ = tensor.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
    }

    private static func touch(_ folder: DataFolder) {
      for file in folder.files { if let bytes = try? file.bytes() { touch(bytes) } }
      for child in folder.folders { touch(child) }
    }

    private static func touch(_ dataset: ImageDataset) {
      for item in dataset.items + dataset.testItems {
        _ = try? item.image().withUnsafeSamples { $0.reduce(0) { $0 &+ $1 } }
      }
    }
  }
}
