import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// QuantizeLinear and DequantizeLinear of all types, by tensor, axis and block, against the
/// formulas of the specification.
@Suite struct QuantizationTests {
  private static let integers: [ElementType] = [
    .uint2, .int2, .uint4, .int4, .uint8, .int8, .uint16, .int16,
  ]

  /// Where scales come from: for each element of a shape, the index of its scale.
  struct Granularity: CustomTestStringConvertible, Sendable {
    var shape: Shape
    var scale: Shape
    var attributes: [ByteString: Attribute] = [:]
    let index: @Sendable (_ place: [Int]) -> Int
    var testDescription: String { "\(shape) by \(scale)" }

    func index(_ element: Int) -> Int {
      index(shape.denseStrides.indices.map { element / shape.denseStrides[$0] % shape[$0] })
    }
  }

  static let granularities = [
    Granularity(shape: [5, 7, 9], scale: []) { _ in 0 },
    Granularity(shape: [40], scale: [1]) { _ in 0 },
    Granularity(shape: [3, 5, 4], scale: [5]) { $0[1] },
    Granularity(shape: [3, 5, 19], scale: [19], attributes: ["axis": .int(-1)]) { $0[2] },
    Granularity(shape: [6, 3], scale: [6], attributes: ["axis": .int(0)]) { $0[0] },
    Granularity(shape: [17], scale: [17]) { $0[0] },
    Granularity(
      shape: [2, 7, 5], scale: [2, 3, 5], attributes: ["axis": .int(1), "block_size": .int(3)]
    ) { ($0[0] * 3 + $0[1] / 3) * 5 + $0[2] },
    Granularity(
      shape: [3, 35], scale: [3, 3], attributes: ["axis": .int(1), "block_size": .int(16)]
    ) { $0[0] * 3 + $0[1] / 16 },
    Granularity(shape: [0, 4], scale: [4]) { $0[1] },
  ]

  private static func node(
    _ name: String, _ inputs: [Tensor?], _ attributes: [ByteString: Attribute]
  ) -> Node {
    Node(
      operatorType: name, inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
      outputs: [ValueID(9)], attributes: attributes)
  }

  /// Output 0 of a node with all instruction sets, with constant and with computed inputs.
  private func outputs(
    _ name: String, _ inputs: [Tensor?], _ attributes: [ByteString: Attribute] = [:]
  ) throws -> [Tensor] {
    let operation = try OperatorCatalog.make(Self.node(name, inputs, attributes))
    return try NodeTesting.instructionSets.flatMap { set in
      try [false, true].map { isConstant in
        try #require(
          try evaluate(
            operation, inputs: inputs.map { $0.map { .tensor($0) } }, wantedOutputs: [true],
            instructionSet: set, treatInputsAsConstant: isConstant, threads: 2)[0]?.tensor)
      }
    }
  }

  private static func range(_ type: ElementType) -> ClosedRange<Double> {
    let count = Double(1 << type.bitWidth)
    return type.isSignedInteger ? -count / 2...count / 2 - 1 : 0...count - 1
  }

  @Test(arguments: granularities)
  func quantizes(_ granularity: Granularity) throws {
    for (number, type) in Self.integers.enumerated() {
      var generator = Generator(kind: 5, case: number)
      let range = Self.range(type)
      let scaleCount = granularity.scale.elementCount
      // Powers of two make many ties.
      let scales = (0..<scaleCount).map { _ in Float([0.5, 0.25, 2, 0.3].randomElement()!) }
      let zeros = (0..<scaleCount).map { _ in
        Double.random(in: range, using: &generator).rounded()
      }
      let x = (0..<granularity.shape.elementCount).map { element -> Float in
        let scale = Double(scales[granularity.index(element)])
        let half = Double.random(in: -range.upperBound - 9...range.upperBound + 9)
        return Float((half * 2).rounded() / 2 * scale)
      }
      let expected = x.enumerated().map { element, number in
        let index = granularity.index(element)
        let quotient = (number / scales[index]).rounded(.toNearestOrEven)
        return min(max(Double(quotient) + zeros[index], range.lowerBound), range.upperBound)
      }
      let inputs: [Tensor?] = [
        try Tensor(x, shape: granularity.shape), try Tensor(scales, shape: granularity.scale),
        try Tensor(doubles: zeros, as: type, shape: granularity.scale),
      ]
      for output in try outputs("QuantizeLinear", inputs, granularity.attributes) {
        #expect(output.elementType == type)
        #expect(try output.doubles() == expected, "\(type)")
      }
    }
  }

  @Test(arguments: granularities)
  func dequantizes(_ granularity: Granularity) throws {
    let floats: [ElementType] = [
      .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1,
    ]
    for (number, type) in (Self.integers + [.int32] + floats).enumerated() {
      var generator = Generator(kind: 6, case: number)
      let range = type.isInteger ? Self.range(type) : -2...2
      let scaleCount = granularity.scale.elementCount
      func numbers(_ count: Int) -> [Double] {
        (0..<count).map { _ in Double.random(in: range, using: &generator).rounded() }
      }
      let x = numbers(granularity.shape.elementCount)
      let zeros = type == .int32 ? [Double](repeating: 0, count: scaleCount) : numbers(scaleCount)
      let scales = (0..<scaleCount).map { _ in Float.random(in: 0.1...3, using: &generator) }
      for outputType in [ElementType.float, .float16, .bfloat16] {
        let expected = x.enumerated().map { element, number -> Double in
          let index = granularity.index(element)
          let product = Float(number - zeros[index]) * scales[index]
          switch outputType {
          case .float16: return Double(Float16(product))
          case .bfloat16: return Double(BFloat16(product).float)
          default: return Double(product)
          }
        }
        let inputs: [Tensor?] = [
          try Tensor(doubles: x, as: type, shape: granularity.shape),
          try Tensor(scales, shape: granularity.scale),
          try Tensor(doubles: zeros, as: type, shape: granularity.scale),
        ]
        var attributes = granularity.attributes
        attributes["output_dtype"] = .int(Int(outputType.rawValue))
        for output in try outputs("DequantizeLinear", inputs, attributes) {
          #expect(output.elementType == outputType)
          #expect(try output.doubles() == expected, "\(type)")
        }
      }
    }
  }

  /// Quotients have the precision of the scale, or that of the attribute.
  @Test func quotientsAreRoundedToTheirPrecision() throws {
    let x: [Float] = [1000.5, 1001, 0.3, 2.5, -7.25]
    let scale: Float = 0.7
    func quantized(
      _ type: ElementType, _ scaleType: ElementType, precision: ElementType? = nil
    ) throws -> [[Int]] {
      let inputs: [Tensor?] = [
        try Tensor(doubles: x.map(Double.init), as: type, shape: [5]),
        try Tensor(doubles: [Double(scale)], as: scaleType, shape: []),
        try Tensor([0] as [Int16], shape: []),
      ]
      return try outputs(
        "QuantizeLinear", inputs,
        precision.map { ["precision": .int(Int($0.rawValue))] } ?? [:]
      ).map { try $0.integers() }
    }
    func expect(_ results: [[Int]], _ quotient: (Float) -> Float) {
      let expected = x.map { Int(quotient($0).rounded(.toNearestOrEven)) }
      for result in results { #expect(result == expected) }
    }
    let half = Float16(scale)
    let brain = BFloat16(scale).float
    expect(try quantized(.float, .float)) { $0 / scale }
    expect(try quantized(.float16, .float16)) { Float(Float16(Float(Float16($0)) / Float(half))) }
    expect(try quantized(.bfloat16, .bfloat16)) {
      BFloat16(BFloat16($0).float / brain).float
    }
    expect(try quantized(.float16, .float)) { Float(Float16($0)) / scale }
    expect(try quantized(.float, .float16)) { Float(Float16(Float(Float16($0)) / Float(half))) }
    expect(try quantized(.float16, .float16, precision: .float)) {
      Float(Float16($0)) / Float(half)
    }
    // bfloat16 has 8 bits: 1000 / 0.69921875 is 1430.17
    #expect(try quantized(.float, .float, precision: .bfloat16)[0][0] == 1432)
  }

  @Test func numbersBeyondAllIntegersSaturate() throws {
    let x: [Float] = [.infinity, -.infinity, .nan, 3e38, -3e38, 0x1p31, -0x1p40]
    let inputs: [Tensor?] = [
      try Tensor(x, shape: [7]), try Tensor(scalar: Float(0.5)), try Tensor(scalar: Int8(-7)),
    ]
    for output in try outputs("QuantizeLinear", inputs) {
      #expect(try output.elements(as: Int8.self) == [127, -128, -128, 127, -128, 127, -128])
    }
  }

  @Test func integersAreQuantized() throws {
    let inputs: [Tensor?] = [
      try Tensor([5, 7, -3, 1 << 30] as [Int32], shape: [4]), try Tensor(scalar: Float(2)),
      try Tensor(scalar: UInt8(1)),
    ]
    for output in try outputs("QuantizeLinear", inputs) {
      #expect(try output.elements(as: UInt8.self) == [3, 5, 0, 255])
    }
    // The scale may be an integer too: 5 / 2 and 7 / 2 are ties.
    let integers: [Tensor?] = [inputs[0], try Tensor(scalar: Int32(2)), inputs[2]]
    for output in try outputs("QuantizeLinear", integers) {
      #expect(try output.elements(as: UInt8.self) == [3, 5, 0, 255])
    }
  }

  /// Floats of 8 and 4 bits, with powers of two as scales; `saturate` decides about what is too
  /// large. The numbers are those of ONNX's tables.
  @Test func floatsOfEightBits() throws {
    let x: [Float] = [0, -0.0, 1, 3, 1000, -1e6, .nan, .infinity]
    let eighth = try Tensor(doubles: [0.125], as: .float8e8m0, shape: [])
    func codes(_ type: ElementType, saturate: Bool) throws -> [UInt8] {
      let inputs: [Tensor?] = [try Tensor(x, shape: [8]), eighth]
      let results = try outputs(
        "QuantizeLinear", inputs,
        ["output_dtype": .int(Int(type.rawValue)), "saturate": .int(saturate ? 1 : 0)])
      return results[0].withUnsafeBytes { Array($0) }
    }
    // 0, -0, 8, 24, then what is beyond 448
    #expect(
      try codes(.float8e4m3fn, saturate: true)
        == [0, 0x80, 0x50, 0x5c, 0x7e, 0xfe, 0x7f, 0x7e])
    #expect(
      try codes(.float8e4m3fn, saturate: false)
        == [0, 0x80, 0x50, 0x5c, 0x7f, 0xff, 0x7f, 0x7f])
    #expect(
      try codes(.float8e5m2, saturate: false)
        == [0, 0x80, 0x48, 0x4e, 0x70, 0xfc, 0x7e, 0x7c])
    #expect(try codes(.float4e2m1, saturate: true).prefix(6) == [0, 8, 7, 7, 7, 15])
  }

  @Test func wrongShapesAndTypesAreRefused() throws {
    let x = try Tensor(zeros: .float, shape: [2, 6])
    func quantize(
      _ scale: Tensor, _ zeroPoint: Tensor?, _ attributes: [ByteString: Attribute] = [:]
    ) throws {
      _ = try outputs("QuantizeLinear", [x, scale, zeroPoint], attributes)
    }
    let three = try Tensor([1, 1, 1] as [Float], shape: [3])
    expectError(.badData, "[3]") { try quantize(three, nil) }
    expectError(.badData, "block_size") {
      try quantize(Tensor(zeros: .float, shape: [2, 3]), nil)
    }
    expectError(.badData, "blocks of 4", "[2, 2]") {
      try quantize(Tensor(zeros: .float, shape: [2, 3]), nil, ["block_size": .int(4)])
    }
    expectError(.badData, "'block_size' is -1") {
      try quantize(three, nil, ["block_size": .int(-1)])
    }
    let one = try Tensor(scalar: Float(1))
    expectError(.badData, "zero points", "[6]") {
      try quantize(one, Tensor(zeros: .int8, shape: [6]))
    }
    expectError(.badData, "output_dtype") {
      try quantize(one, Tensor(zeros: .int8, shape: []), ["output_dtype": .int(2)])
    }
    expectError(.badData, "quantized to int64") {
      try quantize(one, nil, ["output_dtype": .int(7)])
    }
    expectError(.badData, "axis 5") {
      try quantize(three, nil, ["axis": .int(5)])
    }
    expectError(.badData, "output_dtype") {
      _ = try outputs(
        "DequantizeLinear",
        [Tensor(zeros: .int8, shape: [2]), Tensor(doubles: [1], as: .float8e8m0, shape: [])])
    }
  }

  /// The scale fits the range, NaN is not hidden, and many elements are divided among threads.
  @Test func dynamicScaleFitsTheRange() throws {
    var generator = Generator(seed: 4)
    let x = generator.floats(100_000).map { $0 * 3 }
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: "DynamicQuantizeLinear", inputs: [ValueID(0)],
        outputs: [ValueID(1), ValueID(2), ValueID(3)]))
    let scale = (x.max()! - x.min()!) / 255
    let zeroPoint = (-x.min()! / scale).rounded(.toNearestOrEven)
    for set in NodeTesting.instructionSets {
      let outputs = try evaluate(
        operation, inputs: [.tensor(try Tensor(x, shape: [100, 1000]))],
        wantedOutputs: [true, true, true], instructionSet: set, threads: 2
      ).map { try #require(try $0?.tensor) }
      #expect(try outputs[1].elements(as: Float.self) == [scale])
      #expect(try outputs[2].elements(as: UInt8.self) == [UInt8(zeroPoint)])
      let expected = x.map {
        UInt8(min(max(($0 / scale).rounded(.toNearestOrEven) + zeroPoint, 0), 255))
      }
      #expect(try outputs[0].elements(as: UInt8.self) == expected)
    }
    let withNaN = try evaluate(
      operation, inputs: [.tensor(try Tensor([1, .nan, 2] as [Float], shape: [3]))],
      wantedOutputs: [false, true, false])
    #expect(try #require(try withNaN[1]?.tensor).elements(as: Float.self)[0].isNaN)
  }

  /// Matrices of floats of 8 bits are multiplied as real numbers.
  @Test func productOfFloatsOfEightBits() throws {
    let a = try Tensor(doubles: [1, 2, -3, 0.5], as: .float8e4m3fn, shape: [2, 2])
    let b = try Tensor(doubles: [2, -1, 4, 8], as: .float8e5m2, shape: [2, 2])
    func zero(_ type: ElementType) throws -> Tensor { try Tensor(zeros: type, shape: []) }
    let inputs: [Tensor?] = [
      a, try Tensor(scalar: Float(0.5)), try zero(.float8e4m3fn), b, try Tensor(scalar: Float(1)),
      try zero(.float8e5m2), try Tensor(scalar: Float(2)), try zero(.float8e4m3fn),
    ]
    for output in try outputs("QLinearMatMul", inputs) {
      // 10, 15, -4 and 7, divided by 4
      #expect(try output.doubles() == [2.5, 3.75, -1, 1.75])
    }
  }
}
