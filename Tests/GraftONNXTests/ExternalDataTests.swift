import Foundation
import GraftGraph
import GraftONNX
import GraftTensor
import Testing

@Suite struct ExternalDataTests {
  private func externalModel(
    location: String, offset: String? = nil, length: String? = nil
  ) -> Onnx_ModelProto {
    var weights = floats("w", [0, 0])
    weights.clearRawData()
    weights.dataLocation = .external
    for case let (key, value?) in [
      ("location", location as String?), ("offset", offset), ("length", length),
    ] {
      var entry = Onnx_StringStringEntryProto()
      entry.key = key
      entry.value = value
      weights.externalData.append(entry)
    }
    return model(graph([node("Add", ["x", "w"], ["y"])], initializers: [weights]))
  }

  /// A folder with a model's folder inside; `weights.bin` in both has 12 bytes.
  private func withModelFolder(_ body: (_ folder: String) throws -> Void) throws {
    try withTemporaryFolder { root in
      let folder = root + "/model"
      try FileManager.default.createDirectory(
        atPath: folder + "/inner", withIntermediateDirectories: true)
      let data = [Float(0.5), 2, 3].withUnsafeBytes { Data($0) }
      for path in ["/weights.bin", "/model/weights.bin", "/model/inner/weights.bin"] {
        _ = FileManager.default.createFile(atPath: root + path, contents: data)
      }
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/link.bin", withDestinationPath: root + "/weights.bin")
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/linked", withDestinationPath: root)
      try body(folder)
    }
  }

  @Test func readsFilesInTheFolder() throws {
    try withModelFolder { folder in
      for location in ["weights.bin", "./weights.bin", "inner/weights.bin"] {
        let graph = try imported(
          externalModel(location: location, offset: "4", length: "8"), folder: folder)
        let tensor = try #require(graph.constants.values.first)
        #expect(try tensor.elements(as: Float.self) == [2, 3])
      }
    }
  }

  @Test(arguments: [
    "../weights.bin", "inner/../../weights.bin", "/etc/passwd", "", ".", "inner", "link.bin",
    "linked/weights.bin", "inner//weights.bin", "weights.bin\0", "absent.bin", "..",
  ])
  func refusesOtherPlaces(_ location: String) throws {
    try withModelFolder { folder in
      let message = try #require(
        errorMessage { _ = try imported(externalModel(location: location), folder: folder) })
      #expect(message.contains("initializer 'w'"), "\(message)")
      #expect(message.contains("external data"), "\(message)")
    }
  }

  @Test(arguments: [
    ("8", nil), ("13", "0"), ("-1", nil), ("x", nil), ("0", "12"), ("0", "99999999999999999999"),
    ("9223372036854775807", "8"),
  ])
  func refusesWrongPlacesInTheFile(_ offset: String, _ length: String?) throws {
    try withModelFolder { folder in
      #expect(
        errorMessage {
          _ = try imported(
            externalModel(location: "weights.bin", offset: offset, length: length),
            folder: folder)
        } != nil)
    }
  }

  @Test func memoryHasNoFolder() throws {
    #expect(errorMessage { _ = try imported(externalModel(location: "weights.bin")) } != nil)
  }

  @Test func writesExternalData() throws {
    try withTemporaryFolder { folder in
      let elements = (0..<1000).map { Float($0) }
      var proto = model(
        graph(
          [node("Add", ["x", "w"], ["a"]), node("Add", ["a", "small"], ["y"])],
          initializers: [floats("w", elements), floats("small", [1]), floats("v", elements)]))
      proto.graph.input = [valueInfo("x", shape: [1])]
      let graph = try imported(proto)
      let path = folder + "/copy.onnx"
      try ONNXExporter(usesExternalData: true).write(graph, to: path)
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
      #expect(try #require(size) < 1000)
      // The weights are named after their content.
      let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(files.count == 2 && files.first == "copy.onnx")
      #expect(
        files.last?.wholeMatch(of: /copy\.onnx-[0-9a-f]{16}\.data/) != nil, "\(files)")
      #expect(differences(graph, try ONNXImporter().graph(path: path)) == [])
    }
  }
}
