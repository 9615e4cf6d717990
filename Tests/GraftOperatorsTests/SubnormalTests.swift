import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Subnormal numbers are as IEEE 754 has them: all operators are run on their examples with numbers
/// made so small, and compared with what they compute in a wider type, in which these are normal.
@Suite struct SubnormalTests {
  @Test func onlyProductsAndTrainingFlush() {
    let flushing = OperatorCatalog.operators.filter { $0.flushesSubnormals }.map { $0.schema.name }
    #expect(
      Set(flushing) == [
        "Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "Einsum",
        "Attention", "DeformConv", "LSTM", "GRU", "MatMulQuantizedWeights", "RNN", "BlockedConv",
        "BlockedDepthwiseConv", "FusedAttention", "FusedMatMul", "ResidualMatMul",
        // Training
        "ConvolutionInputGradient", "ConvolutionWeightGradient", "BlockedConvWeightGradient",
        "BlockedDepthwiseInputGradient", "BlockedDepthwiseWeightGradient",
        "BatchNormalizationGradient", "BlockedBatchNormalizationGradient",
        "LSTMGradient", "GRUGradient", "RNNGradient",
        "AdaGradUpdate", "AdamUpdate", "RMSpropUpdate", "SGDMomentumUpdate",
      ])
  }

  /// How to make numbers of a type subnormal, and how far results may be off.
  struct Format: Sendable, CustomTestStringConvertible {
    let type: ElementType
    /// The factor for the examples' numbers, which are around 1.
    let factor: Double
    /// Relative to the largest number of the result.
    let tolerance: Double
    let smallest: Double
    /// Whether subnormal numbers of this type are normal ones of what kernels compute in.
    let isExactEverywhere: Bool
    var testDescription: String { "\(type)" }
  }

  static let formats = [
    Format(
      type: .float, factor: 0x1p-131, tolerance: 4e-6,
      smallest: Double(Float.leastNonzeroMagnitude), isExactEverywhere: false),
    Format(
      type: .float16, factor: 0x1p-17, tolerance: 0x1p-9, smallest: 0x1p-24,
      isExactEverywhere: true),
    Format(
      type: .bfloat16, factor: 0x1p-131, tolerance: 0x1p-6, smallest: 0x1p-133,
      isExactEverywhere: false),
  ]

  /// Powers and products of such small numbers are smaller than any float, in these formulas.
  private static let underflowing: Set = [
    "Adam", "FlexAttention", "GlobalLpPool", "LpNormalization", "LpPool",
    "NegativeLogLikelihoodLossGradient",
  ]

  /// Operators of floats alone that give `a` times the result for `a` times these inputs.
  private static let homogeneous = [
    "BlockedAffine": [0, 2], "BlockedAveragePool": [0], "BlockedChannelShuffle": [0],
    "BlockedChannelSum": [0], "BlockedGlobalAveragePool": [0], "BlockedMaxPool": [0],
    "BlockedMaxPoolGradient": [0], "BlockedZeroInsertion": [0], "FromBlocked": [0],
    "ResizeGradient": [0], "ToBlocked": [0], "TransposedKernel": [0],
  ]

  /// Operators that compute no floating-point numbers from such, and those of floats alone whose
  /// parts other tests compare: chains, roundings, normalization in the blocked layout.
  private static let others: Set = [
    "And", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Constant",
    "ConstantOfShape", "Not", "NonMaxSuppression", "Or", "Xor",
    "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer",
    "BlackmanWindow", "HammingWindow", "HannWindow", "RandomNormal", "RandomUniform",
    "CategoryMapper", "LabelEncoder", "Tokenizer", "TreeEnsemble",
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv",
    "QLinearMatMul", "QuantizeLinear", "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat",
    "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid",
    "QLinearSoftmax", "QLinearWhere", "QuantizedAveragePool", "QuantizedBinary", "QuantizedConv",
    "QuantizedGemm", "QuantizedLookup", "QuantizedMaxPool", "ImageDecoder",
    // Their bodies' operators are compared.
    "If", "Loop", "Scan",
    "BlockedBatchNormalization", "BlockedLRN", "FusedElementwise", "RoundToType",
  ]

  @Test(arguments: ExampleTests.types, formats)
  func resultsAreThoseOfDouble(_ name: OperatorName, _ format: Format) throws {
    if name.type.flushesSubnormals && !format.isExactEverywhere { return }
    if Self.underflowing.contains(name.description) && !format.isExactEverywhere { return }
    var comparisons = 0
    let examples = name.type.tensorExamples
    guard !examples.isEmpty else { return }
    for example in examples {
      let places = example.inputs.indices.filter { example.inputs[$0]?.elementType == .float }
      let groups = places.map { [$0] } + (places.count > 1 ? [places] : [])
      for smallPlaces in groups + [Self.homogeneous[name.description]].compactMap({ $0 }) {
        let inputs = try example.inputs.enumerated().map { index, tensor in
          guard let tensor, tensor.elementType == .float else { return tensor }
          return try small(
            tensor, factor: smallPlaces.contains(index) ? format.factor : 1, format.type)
        }
        // Some inputs have to stay floats, and some numbers must not be small: factors of sizes, or
        // steps of ranges.
        guard isAccepted(name.type, example, inputs),
          let expected = try oracle(name.type, example, inputs, smallPlaces, format)
        else { continue }
        comparisons += 1
        for set in NodeTesting.instructionSets {
          let outputs = try run(name.type, example, inputs, set)
          for (output, expected) in zip(outputs, expected) {
            guard let output, let expected else { continue }
            try compare(output, expected, format, "\(example.name) \(smallPlaces) \(set)")
          }
        }
      }
    }
    if format.type == .float, comparisons == 0 {
      #expect(Self.others.contains(name.description), "\(name) was not compared")
    }
  }

  /// The outputs for these inputs, computed with wider numbers.
  private func oracle(
    _ type: any Operator.Type, _ example: OperatorExample, _ inputs: [Tensor?],
    _ smallPlaces: [Int], _ format: Format
  ) throws -> [Tensor?]? {
    if let places = Self.homogeneous[type.schema.name] {
      guard format.type == .float, places == smallPlaces else { return nil }
      return try run(type, example, example.inputs, .scalar).map { output in
        guard let output, output.elementType == .float else { return output }
        return try Tensor(
          output.elements(as: Float.self).map { Double($0) * format.factor }, shape: output.shape)
      }
    }
    for isWide in [{ _ in true }, { smallPlaces.contains($0) }] as [(Int) -> Bool] {
      let wide = try inputs.enumerated().map { index, tensor in
        guard let tensor, tensor.elementType == format.type, isWide(index) else { return tensor }
        return try tensor.converted(to: .double)
      }
      if let outputs = try? run(type, example, wide, .current) { return outputs }
    }
    return nil
  }

  private func small(_ tensor: Tensor, factor: Double, _ type: ElementType) throws -> Tensor {
    let numbers = try tensor.elements(as: Float.self).map { Double($0) * factor }
    return try Tensor(numbers, shape: tensor.shape).converted(to: type)
  }

  private func operation(
    _ type: any Operator.Type, _ example: OperatorExample
  ) throws -> any Operator {
    try OperatorCatalog.make(
      Node(
        operatorType: type.schema.name, domain: type.schema.domain,
        inputs: example.inputs.indices.map { example.inputs[$0] == nil ? nil : ValueID($0) },
        outputs: example.outputs.indices.map { ValueID(100 + $0) }, attributes: example.attributes))
  }

  /// Whether inference takes inputs of these types.
  private func isAccepted(
    _ type: any Operator.Type, _ example: OperatorExample, _ inputs: [Tensor?]
  ) -> Bool {
    var context = InferenceContext(
      inputTypes: inputs.map { tensor in
        tensor.map { .tensor(TensorType($0.elementType, [Dimension]($0.shape))) }
      },
      inputContents: inputs, wantedOutputs: example.outputs.map { $0 != nil })
    do {
      try operation(type, example).inferTypes(&context)
      return true
    } catch { return false }
  }

  private func run(
    _ type: any Operator.Type, _ example: OperatorExample, _ inputs: [Tensor?],
    _ instructionSet: InstructionSet
  ) throws -> [Tensor?] {
    try evaluate(
      operation(type, example), inputs: inputs.map { $0.map { .tensor($0) } },
      wantedOutputs: example.outputs.map { $0 != nil }, instructionSet: instructionSet,
      memoryLimit: 1 << 26
    ).map { try $0?.tensor }
  }

  private func compare(
    _ output: Tensor, _ expected: Tensor, _ format: Format, _ place: String
  ) throws {
    #expect(output.shape == expected.shape, "\(place)")
    guard expected.elementType.isFloatingPoint else {
      #expect(
        output.withUnsafeBytes { a in expected.withUnsafeBytes { a.elementsEqual($0) } }, "\(place)"
      )
      return
    }
    // Values out of the type's range are infinite.
    let reference = try expected.converted(to: output.elementType).converted(to: .double)
      .elements(as: Double.self)
    let values = try output.converted(to: .double).elements(as: Double.self)
    let largest = reference.filter(\.isFinite).map(\.magnitude).max() ?? 0
    let bound = format.tolerance * largest + 2 * format.smallest
    for (value, reference) in zip(values, reference) {
      if value == reference || (value.isNaN && reference.isNaN) { continue }
      let isNear = abs(value - reference) <= bound
      #expect(isNear, "\(place): \(value) instead of \(reference)")
      if !isNear { return }
    }
  }

  /// The steps of a chain are those of the operators.
  @Test func chainsKeepSubnormalNumbers() throws {
    let x = [1e-40, -3e-45, 0, 0x1p-126, -1e-39].map { (value: Double) in Float(value) }
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: "FusedElementwise", domain: "graft", inputs: [ValueID(0)],
        outputs: [ValueID(1)],
        attributes: [
          "operators": .strings(["Add", "Neg", "Sign"]), "operands": .ints([0, 0, -1, -2]),
        ]))
    for set in NodeTesting.instructionSets {
      let output = try evaluate(
        operation, inputs: [.tensor(try Tensor(x, shape: [5]))], wantedOutputs: [true],
        instructionSet: set)[0]
      #expect(try output?.tensor.elements(as: Float.self) == [-1, 1, 0, -1, 1])
    }
  }

  /// There is no wider type to compute in; these results are exact.
  @Test func doublesKeepSubnormalNumbers() throws {
    let smallest = Double.leastNonzeroMagnitude
    let x = [4 * smallest, -smallest, 0x1p-1030, -0x1p-1024]
    func results(_ name: String, _ inputs: [[Double]]) throws -> [Double] {
      try NodeTesting.run(
        name, inputs.map { try Tensor($0, shape: [$0.count]) }, .current
      ).converted(to: .double).elements()
    }
    #expect(try results("Add", [x, x]) == x.map { 2 * $0 })
    #expect(try results("Sub", [x, [smallest]]) == x.map { $0 - smallest })
    #expect(try results("Mul", [x, [0.5]]) == x.map { $0 * 0.5 })
    #expect(try results("Div", [x, [0x1p-1022]]) == x.map { $0 / 0x1p-1022 })
    #expect(try results("Max", [x, [0]]) == x.map { max($0, 0) })
    #expect(try results("Min", [x, [0]]) == x.map { min($0, 0) })
    #expect(try results("Sign", [x]) == [1, -1, 1, -1])
    #expect(try results("Ceil", [x]) == [1, 0, 1, 0])
    #expect(try results("Floor", [x]) == [0, -1, 0, -1])
    #expect(try results("Sqrt", [[0x1p-1030]]) == [0x1p-515])
    #expect(try results("Relu", [x]) == x.map { max($0, 0) })
    #expect(try results("Greater", [x, [0]]) == [1, 0, 1, 0])
    #expect(try results("Equal", [x, [smallest]]) == [0, 0, 0, 0])
    #expect(try results("ReduceSum", [x]) == [x.reduce(0, +)])
    #expect(try results("ArgMax", [x]) == [2])
    #expect(try results("Exp", [[-740]])[0].isSubnormal)
  }
}
