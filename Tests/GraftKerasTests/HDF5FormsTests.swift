import Foundation
import GraftFiles
import GraftKeras
import GraftTensor
import TestSupport
import Testing

/// Files of every form, compared value by value with what h5py reads from them.
@Suite struct HDF5FormsTests {
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func readsWhatH5pyWrites() throws {
    let folder = try TemporaryFolder()
    try compare(folder, [], count: 30...)
  }

  @Test(.enabled(if: TestData.isPresent && Python.isPresent, "\(TestData.absence), or no Python"))
  func readsTrainedModels() throws {
    let root = "\(TestData.folder ?? "")/keras"
    let files = try FileManager.default.subpathsOfDirectory(atPath: root)
      .filter { $0.hasSuffix(".h5") || $0.hasSuffix(".hdf5") }
    try compare(TemporaryFolder(), files.map { "\(root)/\($0)" }, count: files.count...)
  }

  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func readsWhatGraftWrites() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/weights.h5"
    let kernel = try Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
    let bias = try Tensor([Float(-1), .infinity, 0.5], shape: [3])
    let layers = [
      KerasWeights.Layer(
        name: "größe", path: "größe",
        weights: [
          KerasWeights.Weight(name: "kernel", tensor: kernel),
          KerasWeights.Weight(name: "bias", tensor: bias),
        ])
    ]
    try KerasWeights.write(layers, to: path)
    try compare(folder, [path], count: 1...)
    let read = try KerasWeights.read(path).layers
    #expect(read.map(\.name) == ["größe"])
    #expect(try read[0].weights[0].tensor.elements(as: Float.self) == (0..<24).map(Float.init))
    #expect(try read[0].weights[1].tensor.elements(as: Float.self) == [-1, .infinity, 0.5])
  }

  @Test func readsAFileWithinAFile() throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("forms-latest.h5")))
    let storage = try Storage.heap(byteCount: bytes.count + 1000)
    bytes.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(start: storage.baseAddress + 77, count: bytes.count)
        .copyMemory(from: $0)
    }
    let file = try HDF5File(contents: storage, range: 77..<77 + bytes.count)
    let dataset = try #require(try file.root().member("both/both/kernel:0")).dataset()
    #expect(try dataset.tensor().elements(as: Float.self) == (0..<24).map(Float.init))
    expectError(.badData, "HDF5") { try HDF5File(contents: storage) }
    expectError(.badData) {
      try HDF5File(contents: storage, range: 77..<76 + bytes.count)
    }
  }

  /// Opaque bytes that an attribute calls bfloat16, as Keras writes them.
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func readsBFloat16() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/half.weights.h5"
    let program = """
      import h5py, numpy, sys
      with h5py.File(sys.argv[1], "w") as file:
          variables = file.create_group("layers/dense/vars")
          variables["0"] = numpy.array([0x3fc0, 0xc000], "<u2").view("V2")
          variables["0"].attrs["dtype"] = "bfloat16"
      """
    try Self.run(["-c", program, path])
    let tensor = try #require(try KerasWeights.read(path).layers.first?.weights.first?.tensor)
    #expect(tensor.elementType == .bfloat16)
    #expect(tensor.withUnsafeBytes { [UInt8]($0) } == [0xc0, 0x3f, 0x00, 0xc0])
  }

  private func compare(
    _ folder: TemporaryFolder, _ files: [String], count: PartialRangeFrom<Int>
  ) throws {
    try Self.run([Python.maker("hdf5_forms.py"), folder.path] + files)
    let json = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/expected.json"))
    let expected = try JSONDecoder().decode([String: ExpectedFile].self, from: json)
    #expect(count.contains(expected.count))
    for (path, expected) in expected {
      let file = try HDF5File(contents: Storage.mappedFile(path: path))
      let differences = try expected.differences(from: file)
      #expect(differences.isEmpty, "\(path): \(differences.prefix(5))")
    }
  }

  private static func run(_ arguments: [String]) throws {
    let result = try Python.run(arguments)
    try #require(result.status == 0, "\(result.output)")
  }
}
