import Foundation
import GraftFiles
import GraftKeras
import GraftTensor
import TestSupport
import Testing

/// Cut and mutated files: reading fails, or gives weights inside their memory.
@Suite struct DamagedFileTests {
  static let files = [
    "legacy.h5", "legacy-variable-strings.h5", "legacy-gzip.h5", "legacy-big-endian.h5",
    "keras3.weights.h5", "forms-earliest.h5", "forms-latest.h5",
  ]

  /// How many damaged versions of each file.
  static let count = 200 * FuzzEffort.factor

  @Test(arguments: files) func survivesTruncation(_ name: String) throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path(name)))
    // The superblock tells, so that every byte of its own is enough.
    for byteCount in 0..<sound.count where byteCount < 100 || byteCount % 101 == 0 {
      try readEverything(sound.prefix(byteCount))
    }
    // A superblock that knows no more bytes than there are does not give the cut away.
    let endOfFile = sound[8] == 0 ? 40 : 28
    for byteCount in stride(from: 48, to: sound.count, by: 37) {
      var bytes = sound.prefix(byteCount)
      for index in 0..<8 {
        bytes[endOfFile + index] = UInt8(truncatingIfNeeded: byteCount >> (8 * index))
      }
      try readEverything(bytes, repairCount: 1)
    }
  }

  @Test(arguments: files) func survivesMutations(_ name: String) throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path(name)))
    // Most of a file is data and free space, which break nothing.
    let places = sound.indices.filter { sound[$0] != 0 }
    var generator = Generator(seed: 20)
    for _ in 0..<Self.count {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        guard let place = places.randomElement(using: &generator) else { continue }
        let position = min(sound.count - 1, place + Int.random(in: 0...2, using: &generator))
        ByteMutation.change(&bytes[position], &generator)
      }
      try readEverything(bytes, repairCount: 8)
    }
  }

  /// An extensible array of blocks of one entry, with no entries in the index block: the number of
  /// the second chunk is too large to be counted on from.
  @Test func refusesChunksBeyondAnExtensibleArray() throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("far-chunk.h5")))
    let head = try #require(bytes.range(of: Data("EAHD".utf8))).lowerBound
    let block = try #require(bytes.range(of: Data("EAIB".utf8))).lowerBound
    (bytes[head + 8], bytes[head + 9]) = (0, 1)
    // The block that the first chunk would be in was never written.
    for index in 14..<22 { bytes[block + index] = 0xff }
    for range in [head..<head + 68, block..<block + 294] {
      let checksum = bytes[range].withUnsafeBytes { HDF5Checksum.lookup3($0) }
      for index in 0..<4 {
        bytes[range.upperBound + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index))
      }
    }
    let dataset = try #require(try HDF5File(contents: storage(bytes)).root().member("data"))
      .dataset()
    let error = #expect(throws: GraftError.self) { try dataset.tensor() }
    #expect(error?.message.contains("chunk \(Int.max) has no entry") == true, "\(error as Any)")
  }

  @Test func refusesOneChunkAgainAndAgain() throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("one-chunk.h5")))
    bytes.append(Data(count: 4 << 17))
    for index in 0..<8 { bytes[40 + index] = UInt8(truncatingIfNeeded: bytes.count >> (8 * index)) }
    func tensor() throws -> Tensor {
      try #require(try HDF5File(contents: storage(bytes)).root().member("data")).dataset().tensor()
    }
    #expect(try tensor().elementCount == 1 << 17)
    // The last node is that of the chunks. An entry is a key (bytes, filter mask, two offsets) and
    // an address.
    let node = try #require(bytes.range(of: Data("TREE".utf8), options: .backwards)).lowerBound
    let entry = bytes[node + 24..<node + 56]
    bytes[node + 6] = 64
    for index in 1..<64 {
      bytes.replaceSubrange(node + 24 + 32 * index..<node + 56 + 32 * index, with: entry)
    }
    let error = #expect(throws: GraftError.self) { try tensor() }
    #expect(error?.message.contains("decodes to more than") == true, "\(error as Any)")
  }

  private func storage(_ bytes: Data) throws -> Storage {
    let storage = try Storage.heap(byteCount: bytes.count)
    bytes.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
        .copyMemory(from: $0)
    }
    return storage
  }

  /// - Parameter repairCount: how many wrong checksums are corrected, so that the data after them
  ///   are read
  private func readEverything(_ bytes: Data, repairCount: Int = 0) throws {
    let storage = try storage(bytes)
    let target = UnsafeMutableRawBufferPointer(
      start: storage.baseAddress, count: storage.byteCount)
    for _ in 0...repairCount {
      do {
        let file = try HDF5File(contents: storage)
        try readAll(file.root(), path: "", depth: 0)
        let weights = try WeightsReader(HDF5File(contents: storage))
        for tensor in weights.layers.flatMap(\.weights).map(\.tensor) { touch(tensor) }
        return
      } catch let error as GraftError {
        #expect(error.code != .software, "\(error)")
        let pattern = #/the checksum of bytes (\d+) to (\d+), at (\d+), is wrong/#
        guard let match = error.message.firstMatch(of: pattern), let from = Int(match.1),
          let to = Int(match.2), let place = Int(match.3)
        else { return }
        if place < to { for index in 0..<4 { target[place + index] = 0 } }
        let checksum = HDF5Checksum.lookup3(UnsafeRawBufferPointer(rebasing: target[from..<to]))
        for index in 0..<4 {
          target[place + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index))
        }
      }
    }
  }

  /// Everything in an object. An error in one part does not prevent others from being read.
  private func readAll(_ object: HDF5Object, path: String, depth: Int) throws {
    for attribute in try object.attributes() { try attempt { touch(try attribute.tensor()) } }
    if object.kind == .dataset { try attempt { touch(try object.dataset().tensor()) } }
    guard depth < 8 else { return }
    for link in try object.links() {
      try attempt {
        guard let member = try object.member(link.name) else { return }
        try readAll(member, path: "\(path)/\(link.name)", depth: depth + 1)
      }
    }
  }

  /// Goes on after everything but a wrong checksum, which is put right first.
  private func attempt(_ body: () throws -> Void) throws {
    do { try body() } catch let error as GraftError where !error.message.contains("the checksum of")
    {
      #expect(error.code != .software, "\(error)")
    }
  }

  private func touch(_ tensor: Tensor) {
    _ = tensor.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
  }
}
