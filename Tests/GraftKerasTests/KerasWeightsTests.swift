import Foundation
import GraftFiles
import GraftKeras
import GraftTensor
import TestSupport
import Testing

@Suite struct KerasWeightsTests {
  static let readable: [(file: String, elementType: ElementType)] = [
    ("legacy.h5", .float), ("legacy-variable-strings.h5", .float), ("legacy-float16.h5", .float16),
    ("legacy-float64.h5", .double), ("legacy-big-endian.h5", .float), ("legacy-chunked.h5", .float),
    ("legacy-gzip.h5", .float), ("legacy-gzip-big-endian.h5", .double),
    ("legacy-in-model.h5", .float), ("legacy-split-names.h5", .float), ("soft-link.h5", .float),
    ("cycle.h5", .float), ("keras3.weights.h5", .float), ("keras3-model.h5", .float),
  ]

  @Test(arguments: readable)
  func readsEveryForm(_ fixture: (file: String, elementType: ElementType)) throws {
    let weights = try KerasWeights.read(Fixtures.path(fixture.file))
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
    let weights = try KerasWeights.read(Fixtures.path("legacy.h5"))
    #expect(weights.layers.map(\.name) == ["input_1", "conv", "flatten", "fc"])
    #expect(weights.layers[1].weights.map(\.name) == ["conv/kernel:0", "conv/bias:0"])
  }

  @Test func namesLayersAfterTheirClassesWhereTheFileHasNoNames() throws {
    let weights = try KerasWeights.read(Fixtures.path("keras3-unnamed.weights.h5"))
    #expect(!weights.hasStoredNames)
    #expect(weights.tensorsByLayer.keys.sorted() == ["conv2d", "dense"])
  }

  @Test func mapsContiguousDataOnly() throws {
    func storages(_ file: String) throws -> [Storage] {
      let weights = try KerasWeights.read(Fixtures.path(file))
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
    #expect(decoded.allSatisfy { $0.isWritable })
  }

  static let refused: [(file: String, parts: [String])] = [
    ("missing-group.h5", ["layer 'fc'", "has no group"]),
    ("missing-data-set.h5", ["layer 'fc'", "'fc/bias:0'", "has no dataset"]),
    ("external-link.h5", ["'/fc/fc/bias:0'", "link to another file"]),
    ("external-data.h5", ["'fc/bias:0'", "other files"]),
    ("virtual-data.h5", ["'fc/bias:0'", "other files"]),
    ("too-deep.h5", ["deeper than 64"]),
    ("too-big.h5", ["'fc/bias:0'", "decodes to more than"]),
    ("strings.h5", ["'fc/bias:0'", "elements of text"]),
    ("no-weights.h5", ["no Keras weights", "something"]),
    ("../Fixtures.swift", ["is a text file, not an HDF5 file"]),
    ("absent.h5", ["cannot be opened"]),
    (".", ["regular file"]),
  ]

  @Test(arguments: refused)
  func saysWhatIsWrongAndWhere(_ fixture: (file: String, parts: [String])) throws {
    let path = Fixtures.path(fixture.file)
    let error = #expect(throws: GraftError.self) { try KerasWeights.read(path) }
    let text = try #require(error).description
    for part in [path] + fixture.parts { #expect(text.contains(part), "\(text)") }
  }

  @Test func doesNotWaitForAPipe() throws {
    let path = NSTemporaryDirectory() + "graft-pipe-" + UUID().uuidString
    #expect(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    expectError(.noInput, path, "regular file") { try KerasWeights.read(path) }
  }

  @Test(.enabled(if: TestData.isPresent, "\(TestData.absence)"))
  func readsTrainedModels() throws {
    let folder = "\(TestData.folder ?? "")/keras"
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".h5") || $0.hasSuffix(".hdf5") }
    try #require(!files.isEmpty)
    for file in files {
      let weights = try KerasWeights.read("\(folder)/\(file)")
      #expect(!weights.tensorsByLayer.isEmpty, "\(file)")
    }
  }
}
