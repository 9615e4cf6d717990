import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Runs the examples in the operators' own files.
@Suite struct ExampleTests {
  static let types = OperatorCatalog.operators.map { OperatorName(type: $0) }

  @Test(arguments: types)
  func examplesHold(_ name: OperatorName) throws {
    for example in name.type.examples {
      let node = Node(
        operatorType: name.type.schema.name, domain: name.type.schema.domain,
        inputs: example.inputValues.indices.map {
          example.inputValues[$0] == nil ? nil : ValueID($0)
        },
        outputs: example.outputValues.indices.map { ValueID(100 + $0) },
        attributes: example.attributes)
      let operation = try OperatorCatalog.make(node)
      for isConstant in [false, true] {
        let outputs = try evaluate(
          operation, inputs: example.inputValues, inputTypes: example.inputTypes,
          wantedOutputs: example.outputValues.map { $0 != nil }, treatInputsAsConstant: isConstant)
        try #require(outputs.count == example.outputValues.count, "\(example.name)")
        for (output, expected) in zip(outputs, example.outputValues) {
          guard let expected else { continue }
          let output = try #require(output, "\(example.name)")
          if case .tensor(let expected) = expected {
            #expect(try output.tensor.elementType == expected.elementType, "\(example.name)")
            #expect(try output.tensor.shape == expected.shape, "\(example.name)")
          }
          let difference = try largestDifference(output, expected)
          #expect(
            difference <= example.tolerance,
            "\(example.name): difference \(difference) from the expected output")
        }
      }
    }
  }

  @Test func everyOperatorHasExamples() {
    for name in Self.types {
      #expect(!name.type.examples.isEmpty, "\(name) has no examples")
    }
  }

  @Test func schemasAreInOrder() {
    for name in Self.types {
      let schema = name.type.schema
      #expect(schema.since == schema.since.sorted(), "\(name)")
      #expect(schema.sameSince <= schema.since.last ?? 1, "\(name)")
    }
  }
}

struct OperatorName: CustomTestStringConvertible, CustomStringConvertible, Sendable {
  let type: any Operator.Type
  var description: String { type.schema.name }
  var testDescription: String { type.schema.name }
}

/// The largest difference of tensors in two values, which is infinite if they differ otherwise.
func largestDifference(_ value: RuntimeValue, _ expected: RuntimeValue) throws -> Double {
  switch (value, expected) {
  case (.tensor(let tensor), .tensor(let expected)):
    guard tensor.shape == expected.shape else { return .infinity }
    return try largestDifference(tensor, expected)
  case (.sequence(let elements), .sequence(let expected)):
    guard elements.count == expected.count else { return .infinity }
    return try zip(elements, expected).map { try largestDifference($0, $1) }.max() ?? 0
  case (.optional(let element?), .optional(let expected?)):
    return try largestDifference(element, expected)
  case (.optional(nil), .optional(nil)): return 0
  case (.map(let map), .map(let expected)):
    guard try largestDifference(map.keys, expected.keys) == 0, map.scalarType == expected.scalarType
    else { return .infinity }
    return try (0..<map.count).map {
      try largestDifference(map.value(at: $0), expected.value(at: $0))
    }.max() ?? 0
  default: return .infinity
  }
}

/// The largest difference of two tensors of the same shape, relative to `max(1, |expected|)`. Equal
/// infinities and NaN in the same places count as no difference.
func largestDifference(_ tensor: Tensor, _ expected: Tensor) throws -> Double {
  if expected.elementType == .string {
    return tensor.strings.map { ByteString($0) } == expected.strings.map { ByteString($0) }
      ? 0 : .infinity
  }
  guard tensor.shape == expected.shape, tensor.elementType == expected.elementType else {
    return .infinity
  }
  if expected.elementType.isInteger || expected.elementType == .bool {
    let isSame = tensor.withUnsafeBytes { a in
      expected.withUnsafeBytes { b in a.elementsEqual(b) }
    }
    return isSame ? 0 : .infinity
  }
  func reals(_ tensor: Tensor) throws -> [Double] {
    let wide = try Tensor(zeros: .double, shape: tensor.shape)
    try ElementConversion.convert(
      tensor.baseAddress, tensor.elementType, to: wide.baseAddress, .double,
      count: tensor.elementCount)
    return try wide.elements()
  }
  var largest = 0.0
  for (value, reference) in zip(try reals(tensor), try reals(expected)) {
    if value == reference || (value.isNaN && reference.isNaN) { continue }
    let difference = abs(value - reference) / max(1, abs(reference))
    largest = difference.isNaN ? .infinity : max(largest, difference)
  }
  return largest
}
