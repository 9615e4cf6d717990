import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Every vector variant of the pooling, softmax and normalization kernels against the scalar one.
@Suite struct PoolingKernelTests {
  static let vectorSets = InstructionSet.available.filter { $0 != .scalar }

  /// A shape and attributes for a pooling that fits.
  struct PoolCase {
    var shape: Shape
    var attributes: [ByteString: Attribute]

    init(_ random: inout Generator) {
      func perAxis(_ range: ClosedRange<Int>) -> [Int] {
        [Int.random(in: range, using: &random), Int.random(in: range, using: &random)]
      }
      let kernel = perAxis(1...4)
      let pads = kernel.map { Int.random(in: 0..<$0, using: &random) }
      shape = [2, 3] + perAxis(8...70)
      attributes = [
        "kernel_shape": .ints(kernel), "strides": .ints(perAxis(1...3)),
        "dilations": .ints(perAxis(1...2)), "pads": .ints(pads + pads),
        "ceil_mode": .int(Int.random(in: 0...1, using: &random)),
      ]
    }
  }

  @Test(arguments: vectorSets)
  func poolsEqualScalarOnesToTheBit(_ instructionSet: InstructionSet) throws {
    var random = Generator(seed: 1)
    for round in 0..<60 {
      var pool = PoolCase(&random)
      var input = random.floats(pool.shape.elementCount)
      if round % 3 == 0 { input[input.count / 2] = .nan }
      let operatorType = round % 2 == 0 ? "MaxPool" : "AveragePool"
      if round % 4 == 1 { pool.attributes["count_include_pad"] = .int(1) }
      let results = try [.scalar, instructionSet].map { set in
        try run(operatorType, pool.attributes, [Tensor(input, shape: pool.shape)], set)
      }
      #expect(
        results[0].map(\.bitPattern) == results[1].map(\.bitPattern),
        "\(operatorType) \(pool.shape) \(pool.attributes)")
    }
  }

  @Test(arguments: vectorSets)
  func reductionsAgreeWithScalarOnes(_ instructionSet: InstructionSet) throws {
    var random = Generator(seed: 2)
    for _ in 0..<40 {
      let shape = (0..<4).map { _ in Int.random(in: 1...24, using: &random) }
      let input = random.floats(shape.elementCount).map { $0 * 10 }
      let axis = Int.random(in: 0..<4, using: &random)
      let scale = random.floats(shape[axis...].reduce(1, *))
      let cases: [(String, [Tensor])] = [
        ("Softmax", [try Tensor(input, shape: shape)]),
        ("LogSoftmax", [try Tensor(input, shape: shape)]),
        ("GlobalAveragePool", [try Tensor(input, shape: shape)]),
        (
          "LayerNormalization",
          [
            try Tensor(input, shape: shape), try Tensor(scale, shape: Shape(shape[axis...])),
          ]
        ),
      ]
      for (operatorType, inputs) in cases {
        let attributes: [ByteString: Attribute] =
          operatorType == "GlobalAveragePool" ? [:] : ["axis": .int(axis)]
        let scalar = try run(operatorType, attributes, inputs, .scalar)
        let vector = try run(operatorType, attributes, inputs, instructionSet)
        for (expected, found) in zip(scalar, vector) {
          #expect(
            abs(found - expected) <= 1e-5 * max(1, abs(expected)),
            "\(operatorType) \(shape) \(attributes)")
        }
      }
    }
  }

  /// Softmax of rows (x, 0) has e^x / (e^x + 1), which shows the exponential's error where e^x is
  /// small.
  @Test(arguments: InstructionSet.available)
  func exponentialIsAccurate(_ instructionSet: InstructionSet) throws {
    let exponents: [Float] = Array(stride(from: -87, to: -17, by: 0.0037))
    let rows: [Float] = exponents.reduce(into: []) { $0 += [$1, 0] }
    let result = try run(
      "Softmax", [:], [Tensor(rows, shape: [exponents.count, 2])], instructionSet)
    for (index, exponent) in exponents.enumerated() {
      let expected = Float(exp(Double(exponent)))
      let difference = abs(
        Int(result[2 * index].bitPattern) - Int(expected.bitPattern))
      #expect(difference <= 2, "exp(\(exponent)) is off by \(difference) ULP")
    }
  }

  @Test func softmaxOfNaNAndInfinity() throws {
    let rows: [Float] = [.nan, 1, 2, .infinity, 0, 0, -.infinity, 0, 0]
    for set in InstructionSet.available {
      let result = try run("Softmax", [:], [Tensor(rows, shape: [3, 3])], set)
      #expect(result[..<3].allSatisfy { $0.isNaN })
      #expect(result[3].isNaN)
      #expect(Array(result[6...]) == [0, 0.5, 0.5])
    }
  }

  private func run(
    _ operatorType: String, _ attributes: [ByteString: Attribute], _ inputs: [Tensor],
    _ instructionSet: InstructionSet
  ) throws -> [Float] {
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: operatorType, inputs: inputs.indices.map { ValueID($0) },
        outputs: [ValueID(inputs.count)], attributes: attributes))
    let outputs = try evaluate(
      operation, inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
      instructionSet: instructionSet)
    return try #require(outputs[0]).tensor.elements()
  }
}
