import GraftFiles
import GraftGraph
import GraftTensor
import TestSupport
import Testing

@Suite struct CastTests {
  @Test func numbersBecomeStrings() throws {
    let floats = try Tensor([314.15926, -0.5, .nan, .infinity, -.infinity] as [Float], shape: [5])
    #expect(
      try cast(floats, to: .string).strings == ["314.15927", "-0.5", "NaN", "INF", "-INF"])
    let integers = try Tensor([.max, 0] as [UInt64], shape: [2, 1])
    #expect(try cast(integers, to: .string).strings == ["18446744073709551615", "0"])
  }

  @Test func stringsBecomeNumbers() throws {
    let strings = try Tensor(
      strings: ["3.14", "1e-5", "1E8", "+INF", "inf", "-Inf", "nan"], shape: [7])
    let floats: [Float] = try cast(strings, to: .float).elements()
    #expect(floats.prefix(6) == [3.14, 1e-5, 1e8, .infinity, .infinity, -.infinity])
    #expect(floats[6].isNaN)
    let whole = try Tensor(strings: ["9007199254740993", "100.5"], shape: [2])
    #expect(try cast(whole, to: .int64).elements(as: Int64.self) == [9_007_199_254_740_993, 100])
  }

  @Test func otherStringsAreRefused() throws {
    let strings = try Tensor(strings: ["Hello World!"], shape: [1])
    expectError(.badData, "Hello World!") { try cast(strings, to: .float) }
  }

  @Test func unknownTypesAreRefused() throws {
    for target in [0, 14, 99, -1, Int.max] {
      expectError(.badData, target == 14 ? "complex64" : "'to'", target == 14 ? "" : "\(target)") {
        try NodeTesting.apply(
          Node(
            operatorType: "Cast", inputs: [ValueID(0)], outputs: [ValueID(1)],
            attributes: ["to": .int(target)]), [try Tensor([1] as [Float], shape: [1])])
      }
    }
  }

  @Test func firstOpsetNamedTheType() throws {
    var node = Node(
      operatorType: "Cast", inputs: [ValueID(0)], outputs: [ValueID(1)],
      attributes: ["to": .string("UINT8")])
    try NodeTesting.upgrade(&node, opset: 5)
    let output = try NodeTesting.apply(node, [try Tensor([1, 2.5] as [Float], shape: [2])])
    #expect(try output.elements(as: UInt8.self) == [1, 2])
  }

  private func cast(_ tensor: Tensor, to type: ElementType) throws -> Tensor {
    try NodeTesting.apply(
      Node(
        operatorType: "Cast", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: ["to": .int(Int(type.rawValue))]), [tensor])
  }
}
