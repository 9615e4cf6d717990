import Foundation
import GraftKeras
import GraftTensor
import Testing

/// Cut and mutated files, read in a child process: whatever libhdf5 does, an error comes out, or
/// weights that lie within their memory.
@Suite struct DamagedFileTests {
  static let files = [
    "legacy.h5", "legacy-variable-strings.h5", "legacy-gzip.h5", "legacy-big-endian.h5",
    "keras3.weights.h5",
  ]

  /// How many damaged versions of each file; more where `GRAFT_TEST_MUTATIONS` says so.
  static let count =
    ProcessInfo.processInfo.environment["GRAFT_TEST_MUTATIONS"].flatMap { Int($0) } ?? 40

  @Test(arguments: files) func survivesTruncation(_ file: String) throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file)))
    for index in 0..<Self.count {
      try read(sound.prefix(sound.count * index / Self.count))
    }
  }

  @Test(arguments: files) func survivesMutations(_ file: String) throws {
    let sound = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file)))
    var generator = SplitMix(state: 20)
    for _ in 0..<Self.count {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        // Most of a file is data and free space, which break nothing.
        guard
          let position = bytes.indices.filter({ bytes[$0] != 0 }).randomElement(using: &generator)
        else { continue }
        bytes[position] =
          [0, 1, 0x7f, 0xff, UInt8.random(in: 0...255, using: &generator)]
          .randomElement(using: &generator) ?? 0
      }
      try read(bytes)
    }
  }

  private func read(_ bytes: Data) throws {
    let path = NSTemporaryDirectory() + "graft-damaged-" + UUID().uuidString
    try bytes.write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    do {
      let weights = try KerasWeights.read(path, isolation: .executable(Fixtures.reader))
      for tensor in weights.layers.flatMap(\.weights).map(\.tensor) {
        // Touches every byte.
        _ = tensor.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
      }
    } catch let error as GraftError {
      #expect(error.places.first == path)
      #expect(error.code != .software, "\(error)")
    }
  }
}

/// The same numbers in every run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
