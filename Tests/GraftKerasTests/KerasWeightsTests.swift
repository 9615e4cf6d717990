import Foundation
import GraftKeras
import GraftTensor
import Testing

@Suite struct KerasWeightsTests {
  static let readable: [(file: String, elementType: ElementType)] = [
    ("legacy.h5", .float), ("legacy-variable-strings.h5", .float), ("legacy-float16.h5", .float16),
    ("legacy-float64.h5", .double), ("legacy-big-endian.h5", .float), ("legacy-chunked.h5", .float),
    ("legacy-gzip.h5", .float), ("legacy-gzip-big-endian.h5", .double),
    ("legacy-in-model.h5", .float), ("legacy-split-names.h5", .float), ("soft-link.h5", .float),
    ("cycle.h5", .float), ("keras3.weights.h5", .float), ("keras3-model.h5", .float),
  ]

  @Test(arguments: readable, Fixtures.isolations.indices)
  func readsEveryForm(_ fixture: (file: String, elementType: ElementType), isolation: Int) throws {
    let weights = try KerasWeights.read(
      Fixtures.path(fixture.file), isolation: Fixtures.isolations[isolation])
    #expect(weights.hasStoredNames)
    let layers = weights.layers.filter { !$0.weights.isEmpty }
    try #require(layers.map(\.name) == ["conv", "fc"])
    let tensors = layers.flatMap(\.weights).map(\.tensor)
    #expect(tensors.map(\.shape) == Fixtures.shapes)
    for (index, tensor) in tensors.enumerated() {
      #expect(tensor.elementType == fixture.elementType)
      #expect(try tensor.doubles == Fixtures.values(index))
    }
    #expect(weights.tensorsByLayer["fc"]?.count == 2)
  }

  @Test func keepsTheOrderAndNamesOfTheFile() throws {
    let weights = try KerasWeights.read(Fixtures.path("legacy.h5"), isolation: .none)
    #expect(weights.layers.map(\.name) == ["input_1", "conv", "flatten", "fc"])
    #expect(weights.layers[1].weights.map(\.name) == ["conv/kernel:0", "conv/bias:0"])
  }

  @Test func namesLayersAfterTheirClassesWhereTheFileHasNoNames() throws {
    let weights = try KerasWeights.read(
      Fixtures.path("keras3-unnamed.weights.h5"), isolation: .none)
    #expect(!weights.hasStoredNames)
    #expect(weights.tensorsByLayer.keys.sorted() == ["conv2d", "dense"])
  }

  @Test(arguments: Fixtures.isolations.indices)
  func mapsContiguousDataOnly(isolation: Int) throws {
    let isolation = Fixtures.isolations[isolation]
    func storages(_ file: String) throws -> [Storage] {
      let weights = try KerasWeights.read(Fixtures.path(file), isolation: isolation)
      return weights.layers.flatMap(\.weights).map(\.tensor.storage)
    }
    for file in ["legacy.h5", "legacy-float16.h5", "keras3.weights.h5"] {
      let storages = try storages(file)
      #expect(storages.allSatisfy { $0 === storages[0] && !$0.isWritable })
      #expect(
        storages[0].byteCount
          == (try Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file)))).count)
    }
    let decoded = try storages("legacy-gzip.h5")
    #expect(decoded.allSatisfy { $0 === decoded[0] })
  }

  static let refused: [(file: String, parts: [String])] = [
    ("missing-group.h5", ["layer 'fc'", "has no group"]),
    ("missing-data-set.h5", ["layer 'fc'", "'fc/bias:0'", "has no data set"]),
    ("external-link.h5", ["'/fc/fc/bias:0'", "link out of the file"]),
    ("external-data.h5", ["'fc/bias:0'", "other files"]),
    ("virtual-data.h5", ["'fc/bias:0'", "other files"]),
    ("too-deep.h5", ["deeper than 64"]),
    ("too-big.h5", ["'fc/bias:0'", "decodes to more than"]),
    ("strings.h5", ["'fc/bias:0'", "element type"]),
    ("no-weights.h5", ["no Keras weights", "something"]),
    ("make.py", ["is no HDF5 file"]), ("absent.h5", ["cannot open"]),
    (".", ["regular file"]),
  ]

  @Test(arguments: refused, Fixtures.isolations.indices)
  func saysWhatIsWrongAndWhere(_ fixture: (file: String, parts: [String]), isolation: Int) throws {
    let path = Fixtures.path(fixture.file)
    let error = #expect(throws: GraftError.self) {
      try KerasWeights.read(path, isolation: Fixtures.isolations[isolation])
    }
    let text = try #require(error).description
    for part in [path] + fixture.parts { #expect(text.contains(part), "\(text)") }
  }

  @Test func doesNotWaitForAPipe() throws {
    let path = NSTemporaryDirectory() + "graft-pipe-" + UUID().uuidString
    #expect(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    #expect(throws: GraftError.self) { try KerasWeights.read(path, isolation: .none) }
  }

  @Test func saysThatTheReaderCannotBeStarted() throws {
    let error = #expect(throws: GraftError.self) {
      try KerasWeights.read(Fixtures.path("legacy.h5"), isolation: .executable("/absent"))
    }
    #expect(try #require(error).code == .operatingSystem)
    // An executable that is no reader gives no answer.
    #expect(throws: GraftError.self) {
      try KerasWeights.read(Fixtures.path("legacy.h5"), isolation: .executable("/bin/true"))
    }
  }

  @Test func saysThatTheReaderCrashed() throws {
    // Not written here: a file that is still open for writing in a child of another test cannot be executed.
    let script = Fixtures.path("crashing-reader")
    let error = #expect(throws: GraftError.self) {
      try KerasWeights.read(Fixtures.path("legacy.h5"), isolation: .executable(script))
    }
    #expect(try #require(error).code == .badData)
    #expect(try #require(error).description.contains("crashed"))
  }

  static let data = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]

  @Test(
    .enabled(if: data != nil, "GRAFT_TEST_DATA is not set"), arguments: Fixtures.isolations.indices)
  func readsTrainedModels(isolation: Int) throws {
    let folder = "\(Self.data ?? "")/keras"
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".h5") || $0.hasSuffix(".hdf5") }
    try #require(!files.isEmpty)
    for file in files {
      let weights = try KerasWeights.read(
        "\(folder)/\(file)", isolation: Fixtures.isolations[isolation])
      #expect(!weights.tensorsByLayer.isEmpty, "\(file)")
    }
  }
}
