import Foundation
import GraftGraph
import GraftONNX
import GraftTensor
import Testing

@Suite struct TensorDecodingTests {
  private func decoded(_ proto: Onnx_TensorProto) throws -> Tensor {
    try TensorProtoReader().tensor(try storage(try serialized(proto)))
  }

  /// A tensor without data.
  private func empty(_ type: ElementType, _ shape: [Int]) -> Onnx_TensorProto {
    var proto = Onnx_TensorProto()
    proto.dataType = type.rawValue
    proto.dims = shape.map(Int64.init)
    return proto
  }

  @Test func rawElementsStayInTheFile() throws {
    // Elements stay where they are aligned, which the length of the name decides.
    let isShared = try ["w", "ww", "www", "wwww"].map { name in
      let file = try storage(try serialized(floats(name, [1, 2, 3])))
      let tensor = try TensorProtoReader().tensor(file)
      #expect(try tensor.copied().elements(as: Float.self) == [1, 2, 3])
      return tensor.storage === file
    }
    #expect(isShared.filter { $0 }.count == 1)
  }

  @Test func packedFloatsStayInTheFile() throws {
    var proto = empty(.float, [2, 2])
    proto.floatData = [1, -2, 3, .infinity]
    let file = try storage(try serialized(proto))
    let tensor = try TensorProtoReader().tensor(file)
    #expect(tensor.storage === file)
    #expect(try tensor.copied().elements(as: Float.self) == [1, -2, 3, .infinity])
  }

  @Test func readsFloatsThatAreNotPacked() throws {
    // dims: 2; data_type: 1; float_data: 1.5; name: "n"; float_data: -2
    let bytes: [UInt8] = [
      0x08, 2, 0x10, 1, 0x25, 0, 0, 0xc0, 0x3f, 0x42, 1, 0x6e, 0x25, 0, 0, 0, 0xc0,
    ]
    let tensor = try TensorProtoReader().tensor(try storage(bytes))
    #expect(try tensor.elements(as: Float.self) == [1.5, -2])
  }

  @Test func narrowsIntegers() throws {
    var proto = empty(.int8, [3])
    proto.int32Data = [-128, 0, 127]
    #expect(try decoded(proto).elements(as: Int8.self) == [-128, 0, 127])
    proto = empty(.uint16, [2])
    proto.int32Data = [65535, 1]
    #expect(try decoded(proto).elements(as: UInt16.self) == [65535, 1])
    proto = empty(.float16, [2])
    proto.int32Data = [0x3c00, 0xc000]
    #expect(try decoded(proto).elements(as: Float16.self) == [1, -2])
    proto = empty(.float8e5m2, [2])
    proto.int32Data = [0x3c, 0xff]
    #expect(try decoded(proto).withUnsafeBytes { Array($0) } == [0x3c, 0xff])
  }

  @Test func readsWideNumbers() throws {
    var proto = empty(.int64, [2])
    proto.int64Data = [.min, .max]
    #expect(try decoded(proto).elements(as: Int64.self) == [.min, .max])
    proto = empty(.uint64, [1])
    proto.uint64Data = [.max]
    #expect(try decoded(proto).elements(as: UInt64.self) == [.max])
    proto = empty(.uint32, [1])
    proto.uint64Data = [4_000_000_000]
    #expect(try decoded(proto).elements(as: UInt32.self) == [4_000_000_000])
    proto = empty(.double, [1])
    proto.doubleData = [0.1]
    #expect(try decoded(proto).copied().elements(as: Double.self) == [0.1])
    proto = empty(.complex64, [1])
    proto.floatData = [1, 2]
    #expect(try decoded(proto).byteCount == 8)
  }

  @Test func boolsAreZeroOrOne() throws {
    #expect(
      try decoded(tensor("b", .bool, [3], raw: [0, 1, 7])).elements(as: Bool.self)
        == [false, true, true])
    var proto = empty(.bool, [3])
    proto.int32Data = [0, 256, 1]
    #expect(try decoded(proto).elements(as: Bool.self) == [false, true, true])
  }

  @Test func unpacksElementsOfLessThanAByte() throws {
    #expect(
      try decoded(tensor("i", .int4, [3], raw: [0x8f, 0x07])).integers() == [-1, -8, 7])
    #expect(
      try decoded(tensor("u", .uint4, [3], raw: [0x8f, 0x07])).integers() == [15, 8, 7])
    #expect(
      try decoded(tensor("i", .int2, [5], raw: [0b11_10_01_00, 1])).integers()
        == [0, 1, -2, -1, 1])
    var proto = empty(.uint2, [4])
    proto.int32Data = [0b11_10_01_00]
    #expect(try decoded(proto).integers() == [0, 1, 2, 3])
  }

  @Test func readsStrings() throws {
    var proto = empty(.string, [2])
    proto.stringData = [Data("a".utf8), Data()]
    #expect(try decoded(proto).strings == ["a", ""])
  }

  @Test func emptyTensorsNeedNoData() throws {
    #expect(try decoded(empty(.float, [0, 3])).shape == [0, 3])
  }

  @Test(arguments: [
    ("no data", [2], [UInt8]()), ("bytes; shape", [3], [0, 0, 0, 0]),
    ("negative extent", [-1], [0, 0, 0, 0]), ("too many elements", [1 << 40, 1 << 40], [0]),
  ])
  func refusesWrongSizes(_ message: String, _ shape: [Int], _ raw: [UInt8]) throws {
    var proto = tensor("w", .float, shape, raw: raw)
    if raw.isEmpty { proto.clearRawData() }
    let found = try #require(errorMessage { _ = try decoded(proto) })
    #expect(found.contains(message), "\(found)")
  }

  @Test func refusesUnknownElementTypes() throws {
    var proto = floats("w", [1])
    proto.dataType = 99
    #expect(try #require(errorMessage { _ = try decoded(proto) }).contains("element type 99"))
  }

  @Test func valuesSurviveWritingAndReading() throws {
    let tensors: [Tensor] = [
      try Tensor([Float](repeating: 0.5, count: 1000), shape: [10, 100]),
      try Tensor([Int64](), shape: [0]), try Tensor(scalar: Float16(3)),
      try Tensor([true, false], shape: [2]), try Tensor(strings: ["ä", ""], shape: [2]),
      try decoded(tensor("i", .int4, [3], raw: [0x8f, 0x07])),
    ]
    for tensor in tensors {
      let bytes = try TensorProtoWriter.bytes(.tensor(tensor), name: "t")
      let copy = try TensorProtoReader().tensor(try storage(bytes))
      #expect(areEqual(.tensor(copy), .tensor(tensor)))
    }
    let sequence = RuntimeValue.sequence(tensors.prefix(2).map { .tensor($0) })
    let type = ValueType.sequence(.tensor(TensorType(.float, nil)))
    let map = RuntimeValue.map(
      try RuntimeMap(
        keys: Tensor(strings: ["b", "ä"], shape: [2]),
        values: .scalars(Tensor([Int64(-5), 7], shape: [2]))))
    let nested = RuntimeValue.map(
      try RuntimeMap(
        keys: Tensor([Int64(3), -1], shape: [2]), values: .elements([sequence, sequence])))
    for (value, type) in [
      (sequence, type), (.sequence([]), type), (.optional(nil), .optional(type)),
      (.optional(sequence), .optional(type)),
      (.sequence([sequence]), .sequence(type)),
      (map, .map(key: .string, value: .tensor(TensorType(.int64, [])))),
      (
        .sequence([map, map]),
        .sequence(.map(key: .string, value: .tensor(TensorType(.int64, []))))
      ),
      (.optional(nested), .optional(.map(key: .int64, value: type))),
    ] {
      let bytes = try TensorProtoWriter.bytes(value, name: "s", type: type)
      let copy = try TensorProtoReader().value(try storage(bytes), type: type)
      #expect(areEqual(copy, value))
    }
  }

  /// Not an empty optional, which has fields of the same numbers.
  @Test func anOptionalMayBeItsElement() throws {
    let tensor = TensorType(.float, nil)
    let values: [(RuntimeValue, ValueType)] = [
      (.tensor(try Tensor([1.5, 2] as [Float], shape: [2])), .tensor(tensor)),
      (.tensor(try Tensor(scalar: Float(3))), .tensor(tensor)),
      (
        .sequence([.tensor(try Tensor([1.5] as [Float], shape: [1]))]),
        .sequence(.tensor(tensor))
      ),
    ]
    for (value, type) in values {
      let bytes = try TensorProtoWriter.bytes(value, name: "x", type: type)
      let read = try TensorProtoReader().value(try storage(bytes), type: .optional(type))
      #expect(areEqual(read, .optional(value)))
    }
  }

  private func areEqual(_ first: RuntimeValue, _ second: RuntimeValue) -> Bool {
    switch (first, second) {
    case (.tensor(let a), .tensor(let b)): GraftONNXTests.areEqual(a, b)
    case (.sequence(let a), .sequence(let b)):
      a.count == b.count && zip(a, b).allSatisfy { areEqual($0, $1) }
    case (.optional(nil), .optional(nil)): true
    case (.optional(let a?), .optional(let b?)): areEqual(a, b)
    case (.map(let a), .map(let b)):
      GraftONNXTests.areEqual(a.keys, b.keys) && a.scalarType == b.scalarType
        && (0..<a.count).allSatisfy { index in
          guard let first = try? a.value(at: index), let second = try? b.value(at: index) else {
            return false
          }
          return areEqual(first, second)
        }
    default: false
    }
  }
}
