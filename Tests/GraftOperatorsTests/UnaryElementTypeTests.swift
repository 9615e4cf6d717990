import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Which element types the unary operators take, and that all of them are computed right.
@Suite struct UnaryElementTypeTests {
  static let floats: Set<ElementType> = [.float, .double, .float16, .bfloat16]
  static let signed: Set<ElementType> = [.int8, .int16, .int32, .int64]
  static let unsigned: Set<ElementType> = [.uint8, .uint16, .uint32, .uint64]
  static let float8: Set<ElementType> = [
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
  ]

  /// The types that the newest versions of the specification allow.
  static let allowed: [String: Set<ElementType>] = {
    var allowed: [String: Set<ElementType>] = [
      "Relu": floats.union(signed), "Neg": floats.union(signed),
      "Abs": floats.union(signed).union(unsigned), "Sign": floats.union(signed).union(unsigned),
      "Clip": floats.union(signed).union(unsigned),
      "Shrink": floats.union(signed).union(unsigned).subtracting([.bfloat16]),
      "BitwiseNot": signed.union(unsigned), "Not": [.bool],
      "IsNaN": floats.union(float8), "IsInf": floats.union(float8),
      "Dropout": floats.union(float8),
      "Cast": Set(ElementType.allCases).subtracting([.complex64, .complex128]),
    ]
    for type in OperatorCatalog.operators
    where type.operandCount == 1 && type.schema.inputs.lowerBound == 1 && type.schema.domain.isEmpty
      && allowed[type.schema.name] == nil && type.schema.name != "BitCast"
    {
      allowed[type.schema.name] = floats
    }
    return allowed
  }()

  @Test(arguments: allowed.keys.sorted())
  func takesWhatTheSpecificationAllows(_ name: String) throws {
    let allowed = try #require(Self.allowed[name])
    for type in ElementType.allCases {
      let input = try Tensor(zeros: type, shape: [2])
      if allowed.contains(type) {
        #expect(throws: Never.self, "\(name) of \(type)") {
          // "" is not a number, which only matters for the cast of strings.
          if type != .string { _ = try apply(name, input) }
        }
      } else {
        expectError(.badData, or: .unavailable, "\(type)", when: "\(name) of \(type)") {
          try apply(name, input)
        }
      }
    }
  }

  /// Small numbers that all types hold: the other types must give what double gives, rounded.
  @Test(arguments: allowed.keys.sorted().filter { !["Cast", "Not", "BitwiseNot"].contains($0) })
  func allTypesAgree(_ name: String) throws {
    let allowed = try #require(Self.allowed[name])
    for type in allowed {
      let numbers: [Double] = type.isUnsignedInteger ? [0, 1, 2, 3] : [-2, -1, 0, 1, 2, 3]
      let exact = try apply(name, try Tensor(numbers, shape: [numbers.count]))
      let input = try Tensor(numbers, shape: [numbers.count]).converted(to: type)
      let output = try apply(name, input)
      let expected =
        exact.elementType == .bool ? exact : try exact.converted(to: type)
      let difference = try largestDifference(
        try output.converted(to: .double), try expected.converted(to: .double))
      let tolerance = type == .float ? 1e-6 : 0
      #expect(difference <= tolerance, "\(name) of \(type)")
    }
  }

  @Test func unsignedNumbersAboveTheSignedRange() throws {
    let large = UInt64.max - 5
    let input = try Tensor([large, 3], shape: [2])
    #expect(try apply("Abs", input).elements() == [large, 3])
    #expect(try apply("Sign", input).elements(as: UInt64.self) == [1, 1])
    #expect(try apply("BitwiseNot", input).elements() == [5, ~UInt64(3)])
  }

  private func apply(_ name: String, _ input: Tensor) throws -> Tensor {
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: name, inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: name == "Cast" ? ["to": .int(1)] : [:]))
    let output = try evaluate(operation, inputs: [.tensor(input)], wantedOutputs: [true])[0]
    return try #require(try output?.tensor)
  }
}
