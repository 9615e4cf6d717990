import Foundation
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

extension FuzzTests {
  /// Damaged arrays, tensors and labels.
  @Suite(.serialized) struct DataFiles {
    @Test func npy() throws {
      let seeds = try Self.tensors().map { try NPYFile.encode($0) } + Self.handWrittenArrays
      try damage(seeds, name: "npy", kind: 10, count: 2_000) { bytes in
        let storage = try Self.storage(bytes)
        Self.touch(try NPYFile.read(storage, 0..<storage.byteCount, allowsStrings: true))
      }
    }

    @Test func npz() throws {
      let arrays = try Self.tensors().filter { $0.elementType != .string }.enumerated().map {
        (name: "array\($0)", tensor: $1)
      }
      let path = Self.temporaryPath("npz")
      defer { unlink(path) }
      var seeds: [[UInt8]] = []
      for count in [1, 2, arrays.count] {
        try NPZFile.write(Array(arrays.prefix(count)), path: path)
        seeds.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      }
      try damage(seeds, name: "npz", kind: 11, count: 1_000) { bytes in
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        for array in try NPZFile.read(path: path) { Self.touch(array.tensor) }
      }
    }

    @Test func jsonValues() throws {
      let float = ValueType.tensor(TensorType(.float, nil))
      let types: [ValueType] = [
        float, .tensor(TensorType(.int8, [.unknown, .known(3)])),
        .tensor(TensorType(.string, nil)), .tensor(TensorType(.bool, nil)),
        .tensor(TensorType(.complex64, nil)), .tensor(TensorType(.uint64, nil)),
        .sequence(float), .optional(.sequence(float)), .map(key: .string, value: float),
      ]
      let seeds =
        [
          "[[1, 2.5e3], [-0.25, NaN]]", #"{"x": ["a\u00e9\ud83d\ude00\n", "b"], "y": [true]}"#,
          "[[[[]], [[]]]]", "[[1, [2]], null]", "[18446744073709551615, -128, 1e400]",
          #"["Infinity", -Infinity, "NaN"]"#, "null", "[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]",
        ].map { Array($0.utf8) } + [[UInt8](repeating: 0x5b, count: 20_000)]
      try damage(seeds, name: "json-values", kind: 25, count: 3_000) { bytes in
        for type in types {
          // Each type has its own reader; most refuse the file.
          guard
            let value = try bytes.withUnsafeBytes({ bytes in
              do {
                return try JSONValueFile.read(bytes, name: "x", type: type)
              } catch let error as GraftError where error.code != .software {
                return nil
              }
            })
          else { continue }
          #expect(type.accepts(value) || type.tensor?.shape != nil)
        }
      }
    }

    /// Regular expressions as files may have them.
    @Test func patterns() throws {
      let seeds = [
        #"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)"#, #"(?i:a|b)*?[[:alpha:]\d-z]{2,}\pL+"#,
        #"(?P<x>\p{^Greek}|\x{10FFFF}\123)\Q.*\E\bz$"#, "((a*)*|(b{3}){4,}){2}[^a-]",
        "(?s-im:.)+(?U)^",
      ].map { Array($0.utf8) }
      let texts = try Tensor(
        strings: ["", "a", "me@gmail.com", String(repeating: "ab ", count: 200), "αβ😀\n"],
        shape: [5])
      try damage(seeds, name: "patterns", kind: 26, count: 3_000) { bytes in
        let node = Node(
          operatorType: "RegexFullMatch", inputs: [ValueID(0)], outputs: [ValueID(1)],
          attributes: ["pattern": .string(String(decoding: bytes, as: UTF8.self))])
        _ = try evaluate(
          OperatorCatalog.make(node), inputs: [.tensor(texts)], wantedOutputs: [true])
      }
    }

    @Test func idx() throws {
      let path = Self.temporaryPath("idx")
      defer { unlink(path) }
      let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2]
      try damage([header + [UInt8](0..<12)], name: "idx", kind: 12, count: 500) { bytes in
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        Self.touch(try IDXFile.read(path: path))
      }
    }

    @Test func labels() throws {
      let path = Self.temporaryPath("txt")
      defer { unlink(path) }
      let seeds =
        [
          "cat\ndog\n\nship\n", #"["cat", "dog"]"#, #"{"0": "cat", "1": "dog"}"#,
          #"{"0": ["n1", "cat"], "1": ["n2", "dog"]}"#, "[[[[[[[[\u{1F600}]]]]",
          "{\"18446744073709551616\": \"x\"}",
        ].map { Array($0.utf8) } + [[UInt8](repeating: 0x5b, count: 20_000)]
      try damage(seeds, name: "labels", kind: 13, count: 1_000) { bytes in
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        _ = try Labels.read(path: path).names.count
      }
    }

    @Test func tensorFiles() throws {
      let path = Self.temporaryPath("pb")
      defer { unlink(path) }
      let tensors = try Self.tensors()
      var seeds: [[UInt8]] = []
      for value in tensors.map({ RuntimeValue.tensor($0) }) + [
        .sequence(tensors.prefix(3).map { .tensor($0) }), .optional(.tensor(tensors[0])),
        .map(
          try RuntimeMap(
            keys: Tensor(strings: ["a", "b"], shape: [2]), values: .scalars(tensors[1]))),
        .map(
          try RuntimeMap(keys: tensors[1], values: .elements([.tensor(tensors[0]), .sequence([])]))),
      ] {
        try TensorProtoWriter.write(value, name: "x", to: path)
        seeds.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      }
      let tensor = ValueType.tensor(TensorType(.float, nil))
      try damage(seeds, name: "tensors", kind: 14, count: 2_000) { bytes in
        let storage = try Self.storage(bytes)
        let map = ValueType.map(key: .int64, value: tensor)
        for type in [tensor, .sequence(tensor), .optional(tensor), map, .sequence(map)] {
          if let value = try? TensorProtoReader().value(storage, type: type) { Self.touch(value) }
        }
        Self.touch(try TensorProtoReader().tensor(storage))
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

    // MARK: Seeds

    private static func tensors() throws -> [Tensor] {
      [
        try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]),
        try Tensor([1, -2] as [Int64], shape: [2]),
        try Tensor([true, false, true], shape: [3, 1]),
        try Tensor([0.5] as [Double], shape: []),
        try Tensor([1, 2] as [UInt16], shape: [1, 2, 1]),
        try Tensor(strings: ["a", "longer text", ""], shape: [3]),
      ]
    }

    private static let handWrittenArrays: [[UInt8]] = [
      "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }",
      "{'descr': '<i8', 'fortran_order': True, 'shape': (4611686018427387904, 0, 8), }",
      "{'descr': '|b1', 'fortran_order': False, 'shape': (), }",
    ].map { header in
      [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
        + [UInt8](repeating: 3, count: 48)
    }

    private static func storage(_ bytes: [UInt8]) throws -> Storage {
      let storage = try Storage.heap(byteCount: bytes.count)
      bytes.withUnsafeBytes { source in
        UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
          .copyMemory(from: source)
      }
      return storage
    }

    private static func temporaryPath(_ kind: String) -> String {
      NSTemporaryDirectory() + "graft-fuzz-\(getpid()).\(kind)"
    }

    /// Reads every byte, which must be in memory.
    private static func touch(_ tensor: Tensor) {
      _ = tensor.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
    }

    private static func touch(_ value: RuntimeValue) {
      switch value {
      case .tensor(let tensor): touch(tensor)
      case .sequence(let elements): for element in elements { touch(element) }
      case .optional(let element): if let element { touch(element) }
      case .map(let map):
        touch(map.keys)
        for index in 0..<map.count { if let value = try? map.value(at: index) { touch(value) } }
      }
    }
  }
}
