import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Elementwise kernels and reductions, in all instruction sets and with several threads, against
/// the scalar ones on one thread.
@Suite struct VectorVariantTests {
  static let binaryOperators = [
    "Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual",
  ]
  static let reductions = [
    "ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMin",
    "ReduceLogSumExp", "ReduceProd",
  ]

  @Test(arguments: binaryOperators)
  func elementwiseBitsAreThoseOfScalarCode(_ name: String) throws {
    for (left, right) in [
      ([3, 5, 67], [3, 5, 67]), ([3, 5, 67], [1]), ([70000], [70000]),
      ([2, 33, 9], [33, 1]),
    ] {
      let inputs = [
        try NodeTesting.numbers(left, seed: 1), try NodeTesting.numbers(right, seed: 2),
      ]
      try expectSameBits(name, inputs, [:])
      if name != "PRelu" { try expectSameBits(name, inputs.reversed(), [:]) }
    }
  }

  @Test(arguments: reductions)
  func reducedBitsAreThoseOfScalarCode(_ name: String) throws {
    let cases: [(shape: Shape, axes: [Int64])] = [
      ([300_001], [0]), ([3, 70], [1]), ([70, 3], [0]), ([40000, 7], [0]), ([5, 40, 33], [0, 2]),
      ([4, 2, 300, 65], [0, 2]), ([2, 90000], [1]), ([5000, 7], [1]), ([40, 9], [1]),
      ([3, 5, 31, 1], [2]), ([6, 1, 47], [2]), ([9, 3, 5, 11], [0, 3]),
    ]
    for (shape, axes) in cases {
      let axes = try Tensor(axes, shape: [axes.count])
      try expectSameBits(name, [try NodeTesting.numbers(shape, seed: 3), axes], [:])
    }
  }

  @Test func selectionBitsAreThoseOfScalarCode() throws {
    let isChosen = try Tensor((0..<1037).map { $0 % 3 == 1 }, shape: [17, 61])
    let inputs = [
      isChosen, try NodeTesting.numbers([17, 61], seed: 1),
      try NodeTesting.numbers([17, 61], seed: 2),
    ]
    try expectSameBits("Where", inputs, [:])
  }

  /// An optimizer's step; the first inputs are of one shape.
  struct OptimizerCase: CustomTestStringConvertible, Sendable {
    let name: String
    var attributes: [ByteString: Attribute] = [:]
    let inputs: [Input]
    let outputCount: Int
    var testDescription: String { "\(name) \(attributes.keys.sorted()) \(inputs.count)" }

    enum Input {
      case numbers
      /// Numbers from 0 to 1: averages of squares.
      case squares
      case rate
      case step
    }
  }

  static let optimizerCases: [OptimizerCase] = {
    let required: [ByteString: Attribute] = [
      "epsilon": .float(1e-7), "rho": .float(0.9), "beta1": .float(0.9), "beta2": .float(0.999),
    ]
    let decay = required.merging(["weightDecay": .float(0.001)]) { $1 }
    let momentum = required.merging(["momentum": .float(0.9)]) { $1 }
    return [
      OptimizerCase(
        name: "SGDMomentumUpdate", attributes: decay.merging(momentum) { $1 },
        inputs: [.numbers, .numbers, .numbers, .rate], outputCount: 2),
      OptimizerCase(
        name: "SGDMomentumUpdate", attributes: momentum.merging(["nesterov": .int(1)]) { $1 },
        inputs: [.numbers, .numbers, .numbers, .rate], outputCount: 2),
      OptimizerCase(
        name: "AdaGradUpdate", attributes: decay, inputs: [.numbers, .numbers, .squares, .rate],
        outputCount: 2),
      OptimizerCase(
        name: "RMSpropUpdate", attributes: decay, inputs: [.numbers, .numbers, .squares, .rate],
        outputCount: 2),
      OptimizerCase(
        name: "RMSpropUpdate", attributes: momentum,
        inputs: [.numbers, .numbers, .squares, .rate, .numbers], outputCount: 3),
      OptimizerCase(
        name: "AdamUpdate", attributes: decay,
        inputs: [.numbers, .numbers, .numbers, .squares, .rate, .step], outputCount: 3),
    ]
  }()

  /// In all instruction sets, where products may be summed without rounding in between, and of any
  /// number of threads to the bit.
  @Test(arguments: optimizerCases) func optimizerStepsAgree(_ step: OptimizerCase) throws {
    let inputs = try step.inputs.enumerated().map { index, kind -> Tensor in
      let numbers = try NodeTesting.numbers([50_021], seed: index + 1)
      switch kind {
      case .numbers: return numbers
      case .squares:
        return try Tensor(numbers.elements(as: Float.self).map { $0 * $0 }, shape: numbers.shape)
      case .rate: return try Tensor(scalar: Float(0.01))
      case .step: return try Tensor(scalar: Int64(3))
      }
    }
    func results(_ set: InstructionSet, threads: Int = 1) throws -> [Tensor] {
      try run(
        step.name, domain: "graft", inputs, step.attributes, set,
        outputCount: step.outputCount, threads: threads)
    }
    let reference = try results(.scalar)
    for set in InstructionSet.available {
      let outputs = try results(set)
      for (output, expected) in zip(outputs, reference) {
        #expect(try largestDifference(output, expected) < 1e-6, "\(set)")
      }
      for (output, expected) in zip(try results(set, threads: 3), outputs) {
        #expect(
          try output.elements(as: Float.self) == expected.elements(as: Float.self), "\(set)")
      }
    }
  }

  @Test func longSumsKeepTheirDigits() throws {
    let count = 4_000_000
    let tenths = try Tensor([Float](repeating: 0.1, count: count), shape: [count / 4, 4])
    let expected = Float(Double(Float(0.1)) * Double(count / 4))
    let axis = try Tensor([Int64(0)], shape: [1])
    let sums = try run("ReduceSum", [tenths, axis], [:], .current)[0].elements(as: Float.self)
    #expect(sums == [expected, expected, expected, expected])
  }

  @Test(arguments: ["ReduceMax", "ReduceMin"])
  func notANumberWinsInEveryLane(_ name: String) throws {
    for place in [0, 7, 40, 99] {
      var elements = [Float](repeating: 1, count: 100)
      elements[place] = .nan
      for (shape, axis) in [([100, 1], 0), ([50, 2], 0)] {
        let inputs = [
          try Tensor(elements, shape: shape), try Tensor([Int64(axis)], shape: [1]),
        ]
        for set in InstructionSet.available {
          let extremes = try run(name, inputs, [:], set)[0].elements(as: Float.self)
          #expect(extremes[place % shape[1]].isNaN, "\(name) \(shape) \(place) \(set)")
        }
      }
    }
  }

  private func expectSameBits(
    _ name: String, _ inputs: [Tensor], _ attributes: [ByteString: Attribute]
  ) throws {
    let reference = try run(name, inputs, attributes, .scalar)[0]
    for set in InstructionSet.available {
      for threads in [1, 4] {
        let output = try run(name, inputs, attributes, set, threads: threads)[0]
        let isSame = output.withUnsafeBytes { bytes in
          reference.withUnsafeBytes { bytes.elementsEqual($0) }
        }
        #expect(isSame, "\(name) \(inputs.map(\.shape)) \(set), \(threads) threads")
      }
    }
  }

  private func run(
    _ name: String, domain: String = "", _ inputs: [Tensor], _ attributes: [ByteString: Attribute],
    _ instructionSet: InstructionSet, outputCount: Int = 1, threads: Int = 1
  ) throws -> [Tensor] {
    let node = Node(
      operatorType: name, domain: domain, inputs: inputs.indices.map { ValueID($0) },
      outputs: (0..<outputCount).map { ValueID(100 + $0) }, attributes: attributes)
    return try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { .tensor($0) },
      wantedOutputs: [Bool](repeating: true, count: outputCount), instructionSet: instructionSet,
      threads: threads
    ).map { try #require(try $0?.tensor) }
  }
}
