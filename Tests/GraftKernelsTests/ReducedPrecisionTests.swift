import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Kernels of `Precision.bfloat16` against sums in double of the numbers that they round to, for
/// every instruction set and for 1, 2, 3 and 8 threads.
@Suite(.serialized) struct ReducedPrecisionTests {
  // MARK: Products of few rows

  /// Matrices large enough to be narrowed, with odd extents; one column, and more rows than are
  /// narrowed.
  static let products = [
    MatrixProductTests.Case(rows: 1, columns: 519, depth: 523),
    MatrixProductTests.Case(rows: 2, columns: 2051, depth: 131),
    MatrixProductTests.Case(rows: 3, columns: 67, depth: 4099),
    MatrixProductTests.Case(rows: 4, columns: 4111, depth: 67),
    MatrixProductTests.Case(rows: 1, columns: 33, depth: 8009),
  ]

  @Test(arguments: products, [false, true])
  func widensWeights(_ sizes: MatrixProductTests.Case, _ isTransposed: Bool) throws {
    var generator = Generator(seed: UInt64(sizes.columns))
    let (rows, columns, depth) = (sizes.rows, sizes.columns, sizes.depth)
    let left = try generator.tensor(.float, [rows, depth])
    let right = try generator.tensor(.float, isTransposed ? [columns, depth] : [depth, columns])
    let addend = try generator.tensor(.float, [columns])
    let reference = try product(
      left.reals(), right.rounded(), addend.reals(), sizes, isTransposed: isTransposed)
    for weights in [right, try right.misaligned()] {
      try expectNarrow(
        reference, from: "Gemm", attributes: ["transB": .int(isTransposed ? 1 : 0)],
        inputs: [left, weights, addend], bfloat16Instructions: [.none])
    }
  }

  /// Matrices large enough to be streamed for more rows too.
  @Test(arguments: [5, 7])
  func widensWeightsForMoreRows(_ rows: Int) throws {
    var generator = Generator(seed: UInt64(rows))
    let sizes = MatrixProductTests.Case(rows: rows, columns: 4099, depth: 1027)
    let left = try generator.tensor(.float, [rows, sizes.depth])
    let right = try generator.tensor(.float, [sizes.depth, sizes.columns])
    let addend = try generator.tensor(.float, [sizes.columns])
    let reference = try product(
      left.reals(), right.rounded(), addend.reals(), sizes, isTransposed: false)
    try expectNarrow(
      reference, from: "Gemm", inputs: [left, right, addend], bfloat16Instructions: [.none])
  }

  @Test func oneColumnIsOneRow() throws {
    var generator = Generator(seed: 4)
    let left = try generator.tensor(.float, [601, 499])
    let right = try generator.tensor(.float, [499])
    var reference = Reference(shape: [601])
    let (a, b) = (try left.rounded(), try right.reals())
    for row in 0..<601 {
      for k in 0..<499 { reference.add(a[row * 499 + k] * b[k], at: row) }
    }
    try expectNarrow(
      reference, from: "MatMul", inputs: [left, right], bfloat16Instructions: [.none])
  }

  /// Small or computed weights, and those multiplied with many rows, stay exact floats.
  @Test(arguments: [
    MatrixProductTests.Case(rows: 1, columns: 300, depth: 300),
    MatrixProductTests.Case(rows: 5, columns: 519, depth: 523),
  ])
  func otherProductsStayFloat(_ sizes: MatrixProductTests.Case) throws {
    var generator = Generator(seed: 8)
    let left = try generator.tensor(.float, [sizes.rows, sizes.depth])
    let right = try generator.tensor(.float, [sizes.depth, sizes.columns])
    try expectSameBits("MatMul", inputs: [left, right])
    let large = try generator.tensor(.float, [523, 519])
    try expectSameBits(
      "MatMul", inputs: [try generator.tensor(.float, [1, 523]), large], isConstant: false)
  }

  /// Each special weight is alone in its column, so that it is the result.
  @Test(arguments: [false, true])
  func specialWeights(_ isTransposed: Bool) throws {
    let (depth, columns) = (520, 517)
    var weights = [Float](repeating: 0, count: depth * columns)
    var expected = [Float](repeating: 0, count: columns)
    for column in 0..<columns {
      let value = Special.values[column % Special.values.count]
      let k = (column * 7) % depth
      weights[isTransposed ? column * depth + k : k * columns + column] = value
      expected[column] = Special.product(BFloat16(value).float)
    }
    let right = try Tensor(weights, shape: isTransposed ? [columns, depth] : [depth, columns])
    let left = try Tensor([Float](repeating: 1, count: depth), shape: [1, depth])
    for instructionSet in testedInstructionSets {
      let output = try run(
        "Gemm", attributes: ["transB": .int(isTransposed ? 1 : 0)], inputs: [left, right],
        instructionSet: instructionSet)
      try expectSame(output.elements(as: Float.self), expected, "\(instructionSet)")
    }
  }

  // MARK: Convolutions

  /// Shapes that are not computed by Winograd's method: the machine's product of bfloat16 takes all
  /// of them.
  static var convolutions: [ConvolutionCase] {
    func make(
      _ channels: Int, _ rows: Int, _ spatial: [Int], kernel: [Int] = [1, 1],
      strides: [Int] = [1, 1], pads: [Int] = [0, 0, 0, 0], images: Int = 1, groups: Int = 1
    ) -> ConvolutionCase {
      var result = ConvolutionCase(images: images, groups: groups, channels: channels, rows: rows)
      (result.spatial, result.kernel, result.strides) = (spatial, kernel, strides)
      result.pads = pads
      return result
    }
    var generator = Generator(seed: 21)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let random = (0..<24).map { _ in
      var result = make(
        pick(1...70), pick(1...70), [pick(5...20), pick(5...20)], images: pick(1...2))
      result.kernel = [pick(1...4), pick(1...2)]
      result.strides = [pick(1...3), pick(1...3)]
      result.pads = (0..<4).map { _ in pick(0...2) }
      return result
    }
    return [
      make(16, 32, [1, 1]), make(33, 40, [13, 9], images: 2), make(1, 1, [5, 3]),
      make(600, 50, [7, 7]), make(17, 48, [15, 16], strides: [2, 2]),
      make(40, 32, [11, 13], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1]),
      make(24, 16, [11, 10], kernel: [5, 5], pads: [2, 2, 2, 2]),
      make(16, 32, [9, 9], kernel: [3, 3], groups: 2), make(34, 68, [7, 6], images: 2, groups: 4),
    ] + random
  }

  private static var hasProduct: Bool {
    InstructionSet.detected.includes(.avx512) && BFloat16Instructions.detected == .avx512
  }

  @Test(.enabled(if: hasProduct, "needs AVX512-BF16"), arguments: convolutions)
  func multipliesRoundedPairs(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 5)
    let image = try generator.tensor(.float, example.imageShape)
    let weights = try generator.tensor(.float, example.weightShape)
    let bias = try generator.tensor(.float, [example.weightShape[0]])
    let residual = try generator.tensor(.float, example.outputShape)
    var reference = try example.convolution(
      try Tensor(image.rounded().map(Float.init), shape: image.shape),
      try Tensor(weights.rounded().map(Float.init), shape: weights.shape))
    reference.addBias(try bias.reals())
    for (index, term) in try residual.reals().enumerated() { reference.add(term, at: index) }
    reference.values = reference.values.map { max($0, 0) }
    var attributes = example.attributes
    attributes["activation"] = .string("Relu")
    try expectNarrow(
      try reference.blocked(), from: "BlockedConv", domain: "graft", attributes: attributes,
      inputs: [try image.blocked(), weights, bias, try residual.blocked()],
      instructionSets: [.avx512], bfloat16Instructions: [.avx512])
  }

  /// Without instructions for it, and with weights that are computed, convolutions stay as they
  /// are.
  @Test(arguments: convolutions.prefix(8))
  func otherConvolutionsStayFloat(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 6)
    let image = try generator.tensor(.float, example.imageShape).blocked()
    let weights = try generator.tensor(.float, example.weightShape)
    try expectSameBits(
      "BlockedConv", domain: "graft", attributes: example.attributes, inputs: [image, weights],
      bfloat16Instructions: .none)
    if weights.byteCount > 4096 {
      try expectSameBits(
        "BlockedConv", domain: "graft", attributes: example.attributes, inputs: [image, weights],
        isConstant: false)
    }
  }

  @Test(.enabled(if: hasProduct, "needs AVX512-BF16"))
  func specialPixels() throws {
    let width = 31
    for rows in [1, 40] {
      // All channels but one are zero, and so are their weights.
      var pixels = [Float](repeating: 0, count: width * channelBlock)
      for x in 0..<width {
        pixels[x * channelBlock + 5] = Special.values[x % Special.values.count]
      }
      var weights = [Float](repeating: 0, count: rows * channelBlock)
      for row in 0..<rows { weights[row * channelBlock + 5] = 1 }
      let output = try run(
        "BlockedConv", domain: "graft",
        inputs: [
          try Tensor(pixels, shape: [1, 1, 1, width, channelBlock]),
          try Tensor(weights, shape: [rows, channelBlock, 1, 1]),
        ], instructionSet: .avx512)
      let expected = (0..<width).map { x in
        Special.product(BFloat16(Special.values[x % Special.values.count]).float)
      }
      let elements = try output.elements(as: Float.self)
      for row in 0..<rows {
        let (block, lane) = row.quotientAndRemainder(dividingBy: channelBlock)
        let results = (0..<width).map { elements[(block * width + $0) * channelBlock + lane] }
        expectSame(results, expected, "row \(row)")
      }
    }
  }

  // MARK: Helpers

  private func product(
    _ a: [Double], _ b: [Double], _ c: [Double], _ sizes: MatrixProductTests.Case,
    isTransposed: Bool
  ) throws -> Reference {
    let (rows, columns, depth) = (sizes.rows, sizes.columns, sizes.depth)
    var reference = Reference(shape: [rows, columns])
    for row in 0..<rows {
      for column in 0..<columns {
        let index = row * columns + column
        reference.add(c[column], at: index)
        for k in 0..<depth {
          let weight = b[isTransposed ? column * depth + k : k * columns + column]
          reference.add(a[row * depth + k] * weight, at: index)
        }
      }
    }
    return reference
  }

  private func expectNarrow(
    _ reference: Reference, from operatorType: String, domain: String = "",
    attributes: [ByteString: Attribute] = [:], inputs: [Tensor?],
    instructionSets: [InstructionSet] = testedInstructionSets,
    bfloat16Instructions: [BFloat16Instructions]
  ) throws {
    for instructions in bfloat16Instructions {
      try expect(
        reference, from: operatorType, domain: domain, attributes: attributes, inputs: inputs,
        instructionSets: instructionSets, precision: .bfloat16,
        bfloat16Instructions: instructions, constantness: [true])
    }
  }

  private func run(
    _ operatorType: String, domain: String = "", attributes: [ByteString: Attribute] = [:],
    inputs: [Tensor], instructionSet: InstructionSet, precision: Precision = .bfloat16,
    bfloat16Instructions: BFloat16Instructions = .detected, isConstant: Bool = true
  ) throws -> Tensor {
    let node = Node(
      operatorType: operatorType, domain: domain, inputs: inputs.indices.map { ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try evaluate(
      try OperatorCatalog.make(node), inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
      instructionSet: instructionSet, precision: precision,
      bfloat16Instructions: bfloat16Instructions, treatInputsAsConstant: isConstant, threads: 2)
    return try #require(try outputs[0]?.tensor)
  }

  /// Expects the same bits in reduced precision as in float.
  private func expectSameBits(
    _ operatorType: String, domain: String = "", attributes: [ByteString: Attribute] = [:],
    inputs: [Tensor], bfloat16Instructions: BFloat16Instructions = .detected,
    isConstant: Bool = true
  ) throws {
    for instructionSet in testedInstructionSets {
      let results = try [Precision.float, .bfloat16].map { precision in
        try run(
          operatorType, domain: domain, attributes: attributes, inputs: inputs,
          instructionSet: instructionSet, precision: precision,
          bfloat16Instructions: bfloat16Instructions, isConstant: isConstant
        ).elements(as: Float.self).map(\.bitPattern)
      }
      #expect(results[0] == results[1], "\(instructionSet)")
    }
  }

  private func expectSame(
    _ results: [Float], _ expected: [Float], _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(results.count == expected.count, comment, sourceLocation: sourceLocation)
    for (index, (result, value)) in zip(results, expected).enumerated() {
      #expect(
        result == value || result.isNaN && value.isNaN,
        "element \(index) is \(result), not \(value); \(comment)", sourceLocation: sourceLocation)
    }
  }
}

/// Numbers that rounding treats apart.
private enum Special {
  static let values: [Float] = [
    .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    .leastNonzeroMagnitude, Float(bitPattern: 0x8012_3456), .leastNormalMagnitude, 1, -1,
    // Ties to even, downwards and upwards, and their neighbours.
    Float(bitPattern: 0x3f80_8000), Float(bitPattern: 0x3f81_8000),
    Float(bitPattern: 0x3f80_8001), Float(bitPattern: 0x3f81_7fff),
    // The largest that does not become infinity, and the smallest that does.
    Float(bitPattern: 0x7f7f_7fff), Float(bitPattern: 0x7f7f_8000),
    // A NaN with its payload in the lower half.
    Float(bitPattern: 0x7f80_0001),
  ]

  /// The product with 1: kernels treat denormals as 0.
  static func product(_ value: Float) -> Float { value.isSubnormal ? 0 : value }
}

extension Tensor {
  /// The elements of a tensor of floats, rounded to bfloat16.
  fileprivate func rounded() throws -> [Double] {
    try elements(as: Float.self).map { Double(BFloat16($0).float) }
  }
}
