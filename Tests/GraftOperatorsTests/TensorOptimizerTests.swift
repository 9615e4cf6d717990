import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Momentum, Adagrad and Adam of ai.onnx.preview.training against their formulas, for several
/// tensors of both types.
@Suite struct TensorOptimizerTests {
  private static let settings: [ByteString: Attribute] = [
    "norm_coefficient": .float(0.25), "alpha": .float(0.75), "beta": .float(0.875),
    "epsilon": .float(0.125), "decay_factor": .float(0.5), "norm_coefficient_post": .float(0.0625),
  ]
  private static let names = [
    "Momentum": ["norm_coefficient", "alpha", "beta"],
    "Adagrad": ["norm_coefficient", "epsilon", "decay_factor"],
    "Adam": ["norm_coefficient", "alpha", "beta", "epsilon", "norm_coefficient_post"],
  ]

  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var mode: String?
    var step: Int64
    var stateCount: Int { name == "Adam" ? 2 : 1 }
    var testDescription: String { "\(name) \(mode ?? "") \(step)" }
  }

  static let cases = [
    Case(name: "Momentum", mode: "standard", step: 0),
    Case(name: "Momentum", mode: "standard", step: 7),
    Case(name: "Momentum", mode: "nesterov", step: 0),
    Case(name: "Momentum", mode: "nesterov", step: 2), Case(name: "Adagrad", step: 0),
    Case(name: "Adagrad", step: 5), Case(name: "Adam", step: 0), Case(name: "Adam", step: 1),
    Case(name: "Adam", step: 20),
  ]

  private static func operation(
    _ optimizer: Case, inputs: Int, outputs: Int
  ) throws -> any Operator {
    var attributes = settings.filter { names[optimizer.name]?.contains($0.key.text) ?? false }
    if let mode = optimizer.mode { attributes["mode"] = .string(mode) }
    return try OperatorCatalog.make(
      Node(
        operatorType: optimizer.name, domain: OperatorDomain.previewTraining,
        inputs: (0..<inputs).map { ValueID($0) },
        outputs: (0..<outputs).map { ValueID(1000 + $0) }, attributes: attributes))
  }

  /// The formulas of the specification: the new element and states.
  private static func formula(
    _ optimizer: Case, rate: Double, x: Double, gradient: Double, _ states: [Double]
  ) -> [Double] {
    let regularized = 0.25 * x + gradient
    let step = Double(optimizer.step)
    switch optimizer.name {
    case "Momentum":
      let velocity = 0.75 * states[0] + (step > 0 ? 0.875 : 1) * regularized
      let direction =
        optimizer.mode == "nesterov" ? regularized + 0.75 * velocity : velocity
      return [x - rate * direction, velocity]
    case "Adagrad":
      let square = states[0] + regularized * regularized
      return [
        x - rate / (1 + step * 0.5) * regularized / (square.squareRoot() + 0.125), square,
      ]
    default:
      let mean = 0.75 * states[0] + 0.25 * regularized
      let square = 0.875 * states[1] + 0.125 * regularized * regularized
      var adjusted = rate
      if step > 0 { adjusted *= (1 - pow(0.875, step)).squareRoot() / (1 - pow(0.75, step)) }
      return [
        (1 - 0.0625) * (x - adjusted * mean / (square.squareRoot() + 0.125)), mean, square,
      ]
    }
  }

  @Test(arguments: cases) func stepsFollowTheFormulas(_ optimizer: Case) throws {
    var generator = Generator(seed: 3)
    // Of several tasks, of one element, without any, and of a tensor of higher rank.
    let shapes: [Shape] = [[40_000], [], [0, 3], [2, 3, 5]]
    let types: [ElementType] = [.float, .double, .float, .double]
    let roleCount = 2 + optimizer.stateCount
    let tensors = try (0..<roleCount).map { role in
      try zip(shapes, types).map { shape, type in
        let numbers = generator.floats(shape.elementCount).map { Double($0) }
        return try Tensor(doubles: role < 2 ? numbers : numbers.map(abs), as: type, shape: shape)
      }
    }
    for rate in [try Tensor(scalar: Float(0.3)), try Tensor([0.3], shape: [1])] {
      let inputs = [rate, try Tensor(scalar: optimizer.step)] + tensors.joined()
      let outputCount = shapes.count * (roleCount - 1)
      // One output is left out.
      let wanted = (0..<outputCount).map { $0 != 5 }
      let outputs = try evaluate(
        Self.operation(optimizer, inputs: inputs.count, outputs: outputCount),
        inputs: inputs.map { .tensor($0) }, wantedOutputs: wanted, threads: 3)
      #expect(outputs[5] == nil)
      for index in shapes.indices {
        let numbers = try tensors.map { try $0[index].doubles() }
        let results = try (0..<roleCount - 1).map { role in
          try outputs[role * shapes.count + index]?.tensor
        }
        for case let result? in results {
          #expect(result.elementType == types[index] && result.shape == shapes[index])
        }
        let found = try results.map { try $0?.doubles() }
        let tolerance = types[index] == .float ? 1e-6 : 1e-13
        let exactRate = try rate.doubles()[0]
        for place in 0..<shapes[index].elementCount {
          let expected = Self.formula(
            optimizer, rate: exactRate, x: numbers[0][place], gradient: numbers[1][place],
            numbers[2...].map { $0[place] })
          for (role, number) in expected.enumerated() {
            guard let value = found[role]?[place] else { continue }
            guard abs(value - number) > tolerance * max(1, abs(number)) else { continue }
            Issue.record("tensor \(index), element \(place): \(value), expected \(number)")
            return
          }
        }
      }
    }
  }

  @Test(arguments: ["Momentum", "Adagrad", "Adam"])
  func inputsMustFitTogether(_ name: String) throws {
    let optimizer = Case(name: name, mode: name == "Momentum" ? "standard" : nil, step: 1)
    let tensors = (0..<2 + optimizer.stateCount).map { _ in Shape([2]) }
    func expect(
      _ part: String, _ shapes: [Shape], rate: Shape = [], outputs: Int = 1,
      types: [Int: ElementType] = [:]
    ) {
      expectError(.badData, part, when: part) {
        let inputs = try ([rate, []] + shapes).enumerated().map { index, shape in
          try Tensor(zeros: types[index] ?? (index == 1 ? .int64 : .float), shape: shape)
        }
        _ = try evaluate(
          Self.operation(optimizer, inputs: inputs.count, outputs: outputs),
          inputs: inputs.map { .tensor($0) }, wantedOutputs: Array(repeating: true, count: outputs))
      }
    }
    expect("for each tensor", tensors + [[2]])
    expect("for each tensor", Array(tensors.dropLast()))
    expect("for each tensor", tensors, outputs: 2 + optimizer.stateCount)
    expect("shape", tensors.dropLast() + [[3]])
    expect("shape", tensors.dropLast() + [[]])
    expect("expected a scalar", tensors, rate: [2])
    expect("element type", tensors, types: [1: .int32])
    expect("element type", tensors, types: [2: .float16])
    expect("element type", tensors, types: [3: .double])
  }

  @Test func attributesAreRequired() throws {
    func make(_ attributes: [ByteString: Attribute]) throws {
      _ = try OperatorCatalog.make(
        Node(
          operatorType: "Momentum", domain: OperatorDomain.previewTraining,
          inputs: (0..<5).map { ValueID($0) }, outputs: [ValueID(9)], attributes: attributes))
    }
    var attributes = Self.settings
    attributes["mode"] = .string("standard")
    try make(attributes)
    for name in ["alpha", "beta", "norm_coefficient", "mode"] {
      var fewer = attributes
      fewer[ByteString(name)] = nil
      expectError(.badData, "'\(name)' is missing") { try make(fewer) }
    }
    attributes["mode"] = .string("Nesterov")
    expectError(.badData, "expected one of nesterov, standard") { try make(attributes) }
  }
}
