import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Kernels that round their results as they store them, against the same without, rounded
/// afterwards: equal to the bit.
@Suite struct RoundingTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var domain = "graft"
    let shapes: [Shape]
    var attributes: [ByteString: Attribute] = [:]
    var testDescription: String { "\(name) \(shapes) \(attributes.keys.sorted())" }
  }

  private static let pads: [ByteString: Attribute] = ["pads": .ints([1, 1, 1, 1])]

  private static func with(
    _ attributes: [ByteString: Attribute], _ name: String, _ parameters: [Float] = []
  ) -> [ByteString: Attribute] {
    attributes.merging(["activation": .string(name), "activation_params": .floats(parameters)]) {
      $1
    }
  }

  static let cases = [
    // Implicit matrix products, depthwise
    Case(name: "FusedConv", shapes: [[2, 5, 9, 9], [7, 5, 3, 3], [7]]),
    Case(
      name: "FusedConv", shapes: [[2, 5, 9, 9], [7, 5, 3, 3], [7], [2, 7, 9, 9]],
      attributes: with(pads, "Relu")),
    Case(
      name: "FusedConv", shapes: [[1, 8, 9, 9], [8, 1, 3, 3], [8]],
      attributes: with(pads.merging(["group": .int(8)]) { $1 }, "HardSwish")),
    Case(name: "FusedConv", shapes: [[1, 3, 40], [8, 3, 5]], attributes: with([:], "Sigmoid")),
    // Direct and Winograd's, small and large, with pools and residuals
    Case(
      name: "BlockedConv", shapes: [[1, 3, 20, 20], [20, 3, 3, 3], [20]],
      attributes: with(pads.merging(["planar_input": .int(1)]) { $1 }, "Relu")),
    Case(name: "BlockedConv", shapes: [[1, 2, 7, 9, 16], [40, 32, 1, 1], [40]]),
    Case(
      name: "BlockedConv", shapes: [[1, 2, 7, 9, 16], [40, 32, 1, 1], [40]],
      attributes: with([:], "LeakyRelu", [0.1])),
    Case(
      name: "BlockedConv", shapes: [[1, 4, 28, 28, 16], [64, 64, 3, 3], [64]],
      attributes: with(pads, "Relu")),
    Case(
      name: "BlockedConv",
      shapes: [[1, 4, 28, 28, 16], [64, 64, 3, 3], [64], [1, 4, 28, 28, 16]],
      attributes: with(pads.merging(["pools": .int(1)]) { $1 }, "Clip", [-0.1, 6])),
    Case(
      name: "BlockedConv", shapes: [[1, 16, 7, 7, 16], [256, 256, 3, 3]],
      attributes: with(pads, "Swish", [1])),
    Case(
      name: "BlockedDepthwiseConv", shapes: [[1, 2, 9, 9, 16], [32, 1, 3, 3], [32]],
      attributes: with(pads.merging(["group": .int(32)]) { $1 }, "Relu")),
    Case(
      name: "BlockedAffine", shapes: [[1, 2, 5, 5, 16], [32], [32]], attributes: with([:], "Relu")),
    Case(
      name: "BlockedAffine", shapes: [[1, 2, 5, 5, 16], [32], [32]], attributes: with([:], "Tanh")),
    // Matrices, and vectors with matrices
    Case(name: "FusedGemm", shapes: [[13, 70], [70, 37], [37]]),
    Case(
      name: "FusedGemm", shapes: [[1, 70], [70, 37], [37]], attributes: with([:], "Sigmoid")),
    Case(
      name: "FusedGemm", shapes: [[2, 700], [130, 700], [130]],
      attributes: with(["transB": .int(1)], "Relu")),
    Case(name: "FusedElementwise", shapes: [[3, 700]], attributes: [:]),
  ]

  @Test(arguments: cases, [ElementType.float16, .bfloat16])
  func resultsAreRoundedOnce(_ test: Case, _ type: ElementType) throws {
    let code = Attribute.int(Int(type.rawValue))
    let inputs = try test.shapes.enumerated().map { index, shape in
      try NodeTesting.numbers(shape, seed: index + 1)
    }
    var plain = test.attributes
    var rounded = test.attributes
    rounded["rounded_to"] = code
    if test.name == "FusedElementwise" {
      plain = ["operators": .strings(["Exp"]), "operands": .ints([0])]
      rounded = [
        "operators": .strings(["Exp", "RoundToType"]), "operands": .ints([0, -1]), "1.to": code,
      ]
    }
    for set in NodeTesting.instructionSets {
      let exact = try apply(test.name, inputs, plain, set)
      let expected = try apply("RoundToType", [exact], ["to": code], set)
      let result = try apply(test.name, inputs, rounded, set)
      let bits = try result.elements(as: Float.self).map(\.bitPattern)
      #expect(try bits == expected.elements(as: Float.self).map(\.bitPattern), "\(set)")
      #expect(try bits != exact.elements(as: Float.self).map(\.bitPattern), "\(set)")
    }
  }

  @Test(arguments: [ElementType.float16, .bfloat16])
  func roundingIsThatOfCast(_ type: ElementType) throws {
    let sweep = UnaryAccuracyTests.sweep
    let input = try Tensor(sweep, shape: [sweep.count])
    let expected = try input.converted(to: type).converted(to: .float).elements(as: Float.self)
    for set in NodeTesting.instructionSets {
      let result = try apply("RoundToType", [input], ["to": .int(Int(type.rawValue))], set)
        .elements(as: Float.self)
      for (index, x) in sweep.enumerated() where !x.isNaN {
        #expect(result[index].bitPattern == expected[index].bitPattern, "\(x) \(set)")
      }
      for (index, x) in sweep.enumerated() where x.isNaN { #expect(result[index].isNaN) }
    }
  }

  private func apply(
    _ name: String, _ inputs: [Tensor], _ attributes: [ByteString: Attribute], _ set: InstructionSet
  ) throws -> Tensor {
    let node = Node(
      operatorType: name, domain: "graft", inputs: inputs.indices.map { ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
      instructionSet: set, bfloat16Instructions: .none)
    return try #require(try outputs[0]?.tensor)
  }
}
