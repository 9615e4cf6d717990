import GraftExecution
import GraftTensor
import Testing

@Suite struct ElementConversionTests {
  @Test func float16IsThatOfTheLanguage() throws {
    let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }
    let tensor = try Tensor(halves, shape: [halves.count])
    let floats: [Float] = try tensor.converted(to: .float).elements()
    for (half, float) in zip(halves, floats) {
      #expect(Float(half) == float || (half.isNaN && float.isNaN))
    }
    let back: [Float16] = try tensor.converted(to: .float).converted(to: .float16).elements()
    for (half, returned) in zip(halves, back) {
      #expect(half.bitPattern == returned.bitPattern || (half.isNaN && returned.isNaN))
    }
  }

  @Test func floatsRoundToNearestEven() throws {
    let floats: [Float] = stride(from: UInt32(0), to: .max, by: 100_003)
      .map { Float(bitPattern: $0) }.filter { !$0.isNaN }
    let tensor = try Tensor(floats, shape: [floats.count])
    let halves: [Float16] = try tensor.converted(to: .float16).elements()
    let brains: [BFloat16] = try tensor.converted(to: .bfloat16).elements()
    for (index, float) in floats.enumerated() {
      #expect(halves[index] == Float16(float))
      #expect(brains[index] == BFloat16(float))
    }
  }

  /// Codes and numbers from the tables at <https://onnx.ai/onnx/technical/float8.html>.
  @Test(arguments: [
    (ElementType.float8e4m3fn, UInt8(0x7e), 448.0), (.float8e4m3fn, 0x01, 0x1p-9),
    (.float8e4m3fnuz, 0x7f, 240), (.float8e4m3fnuz, 0x01, 0x1p-10),
    (.float8e5m2, 0x7b, 57344), (.float8e5m2, 0x01, 0x1p-16),
    (.float8e5m2fnuz, 0x7f, 57344), (.float8e5m2fnuz, 0x01, 0x1p-17),
    (.float8e8m0, 0x7f, 1), (.float8e8m0, 0xfe, 0x1p127),
    (.float4e2m1, 0x07, 6), (.float4e2m1, 0x01, 0.5),
  ])
  func narrowFloatsHaveTheirValues(_ type: ElementType, _ code: UInt8, _ number: Double) throws {
    let format = try #require(NarrowFloat(type))
    #expect(format.decode(code) == number)
    #expect(format.encode(number, rounding: .saturating) == code)
  }

  @Test func everyNarrowFloatComesBack() throws {
    for type in ElementType.allCases {
      guard let format = NarrowFloat(type) else { continue }
      for code in 0...UInt8((1 << type.bitWidth) - 1) {
        let number = format.decode(code)
        let returned = format.encode(number, rounding: .init(saturates: false))
        if number.isNaN {
          #expect(format.isNaN(returned), "\(type) \(code)")
        } else {
          #expect(returned == code, "\(type) \(code)")
        }
      }
    }
  }

  @Test func narrowFloatsRoundToTheNearest() throws {
    for type in ElementType.allCases where type != .float8e8m0 {
      guard let format = NarrowFloat(type) else { continue }
      let codes = (0..<UInt8(1 << (type.bitWidth - 1))).filter { format.decode($0).isFinite }
      for (low, high) in zip(codes, codes.dropFirst()) {
        let middle = (format.decode(low) + format.decode(high)) / 2
        let even = low & 1 == 0 ? low : high
        #expect(format.encode(middle, rounding: .saturating) == even, "\(type) \(middle)")
        #expect(format.encode(middle.nextDown, rounding: .saturating) == low)
        #expect(format.encode(middle.nextUp, rounding: .saturating) == high)
      }
    }
  }

  @Test func scalesRoundAsAsked() throws {
    let format = try #require(NarrowFloat(.float8e8m0))
    func encode(_ number: Double, _ scale: NarrowFloat.ScaleRounding, saturates: Bool = true)
      -> UInt8
    {
      format.encode(number, rounding: .init(saturates: saturates, scale: scale))
    }
    #expect(encode(1.25, .up) == 128 && encode(1.25, .down) == 127 && encode(1.25, .nearest) == 127)
    #expect(encode(1.5, .nearest) == 128)
    #expect(encode(0, .up) == 0 && encode(0, .nearest, saturates: false) == 0xff)
    #expect(encode(.infinity, .up) == 0xfe && encode(.infinity, .up, saturates: false) == 0xff)
    #expect(encode(.nan, .up) == 0xff)
  }

  @Test func integersKeepTheirLowBits() throws {
    let numbers = try Tensor([200, -200, 9, -9, 70_000] as [Int64], shape: [5])
    #expect(try numbers.converted(to: .int8).elements(as: Int8.self) == [-56, 56, 9, -9, 112])
    #expect(try numbers.converted(to: .uint8).elements(as: UInt8.self) == [200, 56, 9, 247, 112])
    #expect(try numbers.converted(to: .int4).integers() == [-8, -8, -7, 7, 0])
    #expect(try numbers.converted(to: .uint4).integers() == [8, 8, 9, 7, 0])
    #expect(try numbers.converted(to: .int2).integers() == [0, 0, 1, -1, 0])
  }

  @Test func floatsBeyondAnIntegerDoNotTrap() throws {
    let numbers = try Tensor([2.9, -2.9, 1e30, -1e30, .nan, .infinity] as [Float], shape: [6])
    #expect(
      try numbers.converted(to: .int32).elements(as: Int32.self) == [2, -2, .min, .min, .min, .min])
    #expect(try numbers.converted(to: .uint8).elements(as: UInt8.self) == [2, 254, 0, 0, 0, 0])
    for type in ElementType.allCases where type != .string && !type.isComplex {
      #expect(throws: Never.self) { try numbers.converted(to: type) }
    }
  }

  @Test func largeIntegersRoundOnce() throws {
    // Through double this would end on a tie, and round the wrong way.
    let number: Int64 = (1 << 54) + (1 << 30) + 1
    let tensor = try Tensor([number], shape: [1])
    #expect(try tensor.converted(to: .float).elements() == [Float(number)])
  }
}
