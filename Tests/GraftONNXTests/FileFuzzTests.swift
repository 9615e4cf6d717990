import Foundation
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import SwiftProtobuf
import TestSupport
import Testing

/// Damaged models: each must be read or refused with a `GraftError`; anything else ends the test
/// run.
@Suite struct FileFuzzTests {
  private func sample() throws -> [UInt8] {
    let body = graph(
      [node("Add", ["x", "w"], ["in"])], inputs: [], outputs: ["in"],
      initializers: [floats("inner", [1, 2])])
    let function = function(
      "F", inputs: ["a"], outputs: ["b"],
      [node("Relu", ["a"], ["t"]), node("Add", ["t", "t"], ["b"])])
    var sparse = Onnx_SparseTensorProto()
    sparse.values = floats("sparse", [5, 6])
    sparse.dims = [2, 2]
    sparse.indices = tensor("", .int64, [2], raw: [Int64(0), 3].withUnsafeBytes { Array($0) })
    var typed = Onnx_TensorProto()
    typed.name = "typed"
    typed.dims = [3]
    typed.dataType = ElementType.int8.rawValue
    typed.int32Data = [1, -2, 3]
    var shape = Onnx_TensorProto()
    shape.name = "shape"
    shape.dims = [2]
    shape.dataType = ElementType.int64.rawValue
    shape.int64Data = [1, -1]
    var proto = model(
      opset: 11, functions: [function],
      graph(
        [
          node("F", ["x"], ["f"], domain: "local"),
          node("Zap", ["f"], ["z"], [attribute("body", graph: body)]),
          node("Reshape", ["f", "shape"], ["r"]),
          node("Squeeze", ["r"], ["q"], [attribute("axes", ints: [0])]),
          node("Add", ["q", "w"], ["y"]),
        ],
        initializers: [floats("w", [1, 2]), typed, shape, tensor("n", .int4, [3], raw: [1, 2])]))
    proto.graph.sparseInitializer = [sparse]
    return try serialized(proto)
  }

  private func mustNotTrap(_ bytes: [UInt8]) throws {
    do {
      let graph = try ONNXImporter().graph(try storage(bytes))
      try graph.validate()
      let copy = try ONNXExporter().bytes(graph)
      _ = try ONNXImporter().graph(try storage(copy))
      var importer = ONNXImporter()
      importer.keepsFunctions = true
      let kept = try importer.graph(try storage(bytes))
      _ = try importer.graph(try storage(try ONNXExporter().bytes(kept)))
    } catch is GraftError {
    }
  }

  @Test func sampleIsWhole() throws {
    let graph = try ONNXImporter().graph(try storage(try sample()))
    try graph.validate()
    #expect(graph.constants.count >= 6)
  }

  @Test func survivesTruncation() throws {
    let bytes = try sample()
    for count in bytes.indices { try mustNotTrap(Array(bytes[..<count])) }
  }

  @Test func survivesFlippedBytes() throws {
    let bytes = try sample()
    var generator = Generator(seed: 1)
    for _ in 0..<4000 * FuzzEffort.factor {
      var damaged = bytes
      ByteMutation.flip(&damaged, &generator)
      try mustNotTrap(damaged)
    }
  }

  /// Changes decoded fields, so that lengths fit again and the damage gets further.
  @Test func survivesChangedFields() throws {
    let proto = try Onnx_ModelProto(serializedBytes: try sample())
    var generator = Generator(seed: 2)
    for _ in 0..<4000 * FuzzEffort.factor {
      var damaged = proto
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        Mutation.apply(to: &damaged, &generator)
      }
      try mustNotTrap(try serialized(damaged))
    }
  }

  @Test(.enabled(if: TestData.isPresent, "\(TestData.absence)"))
  func survivesDamageToModels() throws {
    var generator = Generator(seed: 3)
    for path in TestData.models {
      let size = try #require(
        try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
      guard size < 300_000 else { continue }
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      for round in 0..<20 {
        var damaged = bytes
        if round % 2 == 0 {
          damaged.removeLast(Int.random(in: 1...bytes.count, using: &generator))
        } else {
          ByteMutation.flip(&damaged, &generator)
        }
        try mustNotTrap(damaged)
      }
    }
  }

  @Test func refusesDeepNesting() throws {
    var inner = graph([node("Relu", ["x"], ["y"])], inputs: [])
    for _ in 0..<60 {
      inner = graph([node("Zap", [], ["y"], [attribute("body", graph: inner)])], inputs: [])
    }
    let message = try #require(errorMessage { _ = try imported(model(inner)) })
    #expect(message.contains("nests"), "\(message)")

    // Lengths that are right all the way down, deeper than any stack.
    var bytes: [UInt8] = []
    for _ in 0..<20_000 {
      var header: [UInt8] = [0x32]
      var length = bytes.count
      while length >= 0x80 {
        header.append(UInt8(length & 0x7f) | 0x80)
        length >>= 7
      }
      header.append(UInt8(length))
      bytes = header + bytes
      if bytes.count > 40_000 { break }
    }
    #expect(errorMessage { _ = try ONNXImporter().graph(try storage(bytes)) } != nil)
  }

  @Test func refusesWhatIsNoModel() throws {
    for bytes: [UInt8] in [[], [0], Array("not a model at all".utf8), [0x08, 0x07]] {
      #expect(errorMessage { _ = try ONNXImporter().graph(try storage(bytes)) } != nil)
    }
    #expect(
      try #require(errorMessage { _ = try ONNXImporter().graph(path: "/nonexistent.onnx") })
        .hasPrefix("/nonexistent.onnx: cannot be opened"))
    #expect(errorMessage { _ = try ONNXImporter().graph(path: "/tmp") } != nil)
  }

  @Test func errorsSayWhere() throws {
    var proto = model(graph([node("Add", ["x", "w"], ["y"])], initializers: [floats("w", [1])]))
    proto.graph.initializer[0].dims = [5]
    let message = try #require(errorMessage { _ = try imported(proto) })
    #expect(message.contains("initializer 'w': raw data at byte"), "\(message)")
  }
}
