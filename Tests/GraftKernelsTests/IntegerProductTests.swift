import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Products and convolutions of bytes with every instruction set and every way to multiply, against
/// plain sums: equal to the bit.
@Suite(.serialized) struct IntegerProductTests {
  /// The ways to multiply: none, what tests choose, and what this processor has.
  private static let ways: [VNNIInstructions] = [[], .portable, .detected]

  /// Runs a node in all ways, with constant and with computed inputs, and expects these elements.
  private func expect<Element: TensorElement & Equatable>(
    _ expected: [Element], _ shape: Shape, from operatorType: String, domain: String = "",
    attributes: [ByteString: Attribute] = [:], _ inputs: [Tensor?], _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let node = Node(
      operatorType: operatorType, domain: domain,
      inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let operation = try OperatorCatalog.make(node)
    for instructionSet in testedInstructionSets {
      for vnni in Self.ways {
        for (isConstant, threads) in [(false, 1), (true, 3)] {
          let output = try evaluate(
            operation, inputs: inputs.map { $0.map { .tensor($0) } }, wantedOutputs: [true],
            instructionSet: instructionSet, vnni: vnni, treatInputsAsConstant: isConstant,
            threads: threads)[0]?.tensor
          let result = try #require(output)
          #expect(result.shape == shape, sourceLocation: sourceLocation)
          let elements = try result.elements(as: Element.self)
          let wrong = elements.indices.first { elements[$0] != expected[$0] }
          if let wrong {
            Issue.record(
              """
              element \(wrong) is \(elements[wrong]), not \(expected[wrong]); \(instructionSet), \
              VNNI \(vnni.rawValue), constant: \(isConstant); \(comment)
              """, sourceLocation: sourceLocation)
            return
          }
        }
      }
    }
  }

  // MARK: Matrices

  struct Product: CustomTestStringConvertible, Sendable {
    var rows: Int
    var columns: Int
    var depth: Int
    /// Of the zero points: 0 for none, 1 for one, 2 for one for each row and column.
    var zeroPoints: Int
    var testDescription: String { "\(rows)x\(depth)x\(columns), zero points \(zeroPoints)" }
  }

  static let products = [
    Product(rows: 1, columns: 1, depth: 1, zeroPoints: 1),
    Product(rows: 1, columns: 40, depth: 33, zeroPoints: 0),
    Product(rows: 5, columns: 16, depth: 8, zeroPoints: 2),
    Product(rows: 6, columns: 17, depth: 64, zeroPoints: 1),
    Product(rows: 7, columns: 31, depth: 3, zeroPoints: 2),
    Product(rows: 14, columns: 32, depth: 130, zeroPoints: 0),
    Product(rows: 29, columns: 65, depth: 101, zeroPoints: 1),
    Product(rows: 230, columns: 9, depth: 70, zeroPoints: 2),
    Product(rows: 3, columns: 700, depth: 5, zeroPoints: 1),
  ]

  static let types: [[ElementType]] = [
    [.uint8, .int8], [.uint8, .uint8], [.int8, .int8], [.int8, .uint8],
  ]

  @Test(arguments: products, types)
  func matrices(_ product: Product, _ types: [ElementType]) throws {
    var generator = Generator(kind: 1, case: product.rows * 1000 + product.depth)
    let (rows, columns, depth) = (product.rows, product.columns, product.depth)
    let left = try generator.bytes(types[0], [rows, depth])
    let right = try generator.bytes(types[1], [depth, columns])
    func zeroPoints(_ type: ElementType, _ count: Int) throws -> Tensor? {
      switch product.zeroPoints {
      case 0: nil
      case 1: try generator.bytes(type, [])
      default: try generator.bytes(type, [count])
      }
    }
    let leftZeros = try zeroPoints(types[0], rows)
    let rightZeros = try zeroPoints(types[1], columns)
    let (a, b) = (try left.integers(), try right.integers())
    let (za, zb) = (try leftZeros?.integers() ?? [0], try rightZeros?.integers() ?? [0])
    var sums = [Int](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        for k in 0..<depth {
          sums[row * columns + column] +=
            (a[row * depth + k] - za[za.count == 1 ? 0 : row])
            * (b[k * columns + column] - zb[zb.count == 1 ? 0 : column])
        }
      }
    }
    try expect(
      sums.map(Int32.init), [rows, columns], from: "MatMulInteger",
      [left, right, leftZeros, rightZeros])

    // The same, requantized.
    let isEach = product.zeroPoints == 2
    let leftScale = try generator.scales(isEach ? [rows] : [])
    let rightScale = try generator.scales(isEach ? [columns] : [1])
    let scale = try Tensor(scalar: Float(depth) * 0.9)
    let (sa, sb) = (try leftScale.elements(as: Float.self), try rightScale.elements(as: Float.self))
    let zeroPoint: Int8 = -3
    let expected = sums.indices.map { index -> Int8 in
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let factor = sa[isEach ? row : 0] * sb[isEach ? column : 0] / (Float(depth) * 0.9)
      return Int8.quantized(Double(sums[index]) * Double(factor), zeroPoint: Int(zeroPoint))
    }
    try expect(
      expected, [rows, columns], from: "QLinearMatMul",
      [
        left, leftScale, leftZeros ?? Tensor(zeros: types[0], shape: leftScale.shape), right,
        rightScale, rightZeros ?? Tensor(zeros: types[1], shape: rightScale.shape), scale,
        Tensor(scalar: zeroPoint),
      ])
  }

  /// Batches of matrices, one of which is repeated, with zero points for each row of all.
  @Test func batches() throws {
    var generator = Generator(seed: 12)
    let left = try generator.bytes(.uint8, [3, 1, 5, 20])
    let right = try generator.bytes(.int8, [4, 20, 18])
    let leftZeros = try generator.bytes(.uint8, [3, 1, 5, 1])
    let rightZeros = try generator.bytes(.int8, [4, 1, 18])
    let (a, b) = (try left.integers(), try right.integers())
    let (za, zb) = (try leftZeros.integers(), try rightZeros.integers())
    let expected = (0..<3 * 4 * 5 * 18).map { index -> Int32 in
      let (rest, column) = index.quotientAndRemainder(dividingBy: 18)
      let (batch, row) = rest.quotientAndRemainder(dividingBy: 5)
      let (leftRow, matrix) = (batch / 4 * 5 + row, batch % 4)
      return (0..<20).reduce(0) { sum, k in
        sum + Int32(a[leftRow * 20 + k] - za[leftRow])
          * Int32(b[(matrix * 20 + k) * 18 + column] - zb[matrix * 18 + column])
      }
    }
    try expect(
      expected, [3, 4, 5, 18], from: "MatMulInteger", [left, right, leftZeros, rightZeros])
  }

  /// Sums of the largest products, which saturating instructions would get wrong.
  @Test func extremes() throws {
    for (x, w) in [(255, -128), (255, 127), (0, -128)] {
      let left = try Tensor([UInt8](repeating: UInt8(x), count: 3 * 64), shape: [3, 64])
      let right = try Tensor([Int8](repeating: Int8(w), count: 64 * 40), shape: [64, 40])
      for zero in [0, 255] {
        try expect(
          [Int32](repeating: Int32(64 * (x - zero) * w), count: 120), [3, 40],
          from: "MatMulInteger", [left, right, try Tensor(scalar: UInt8(zero))])
      }
    }
  }

  // MARK: Convolutions

  static let convolutions: [ConvolutionCase] = {
    var cases = ConvolutionCase.random(count: 30, seed: 11)
    // Depthwise of many channels, without and with a border; a first layer; one position
    var depthwise = ConvolutionCase(images: 2, groups: 37, channels: 1, rows: 1)
    depthwise.spatial = [9, 11]
    depthwise.kernel = [3, 2]
    depthwise.dilations = [1, 2]
    cases.append(depthwise)
    depthwise.groups = 64
    depthwise.pads = [1, 2, 0, 1]
    depthwise.strides = [2, 1]
    cases.append(depthwise)
    var first = ConvolutionCase(images: 1, groups: 1, channels: 3, rows: 20)
    first.spatial = [23, 30]
    first.kernel = [7, 7]
    first.strides = [2, 2]
    first.pads = [3, 3, 3, 3]
    cases.append(first)
    var pointwise = ConvolutionCase(images: 2, groups: 1, channels: 68, rows: 70)
    pointwise.spatial = [30, 40]
    cases.append(pointwise)
    pointwise.strides = [2, 3]
    cases.append(pointwise)
    return cases.map { example in
      var example = example
      example.elementType = .float
      return example
    }
  }()

  @Test(arguments: convolutions)
  func convolution(_ example: ConvolutionCase) throws {
    for (number, types) in Self.types.enumerated() {
      var generator = Generator(kind: 3, case: number)
      let image = try generator.bytes(types[0], example.imageShape)
      let weights = try generator.bytes(types[1], example.weightShape)
      let channels = example.weightShape[0]
      let isEach = number % 2 == 0
      let imageZero = try generator.bytes(types[0], [])
      let weightZeros = try generator.bytes(types[1], isEach ? [channels] : [])
      let zeros = try weightZeros.integers()
      let zero = try imageZero.integers()[0]
      let perChannel = weights.elementCount / channels
      let reference = try example.convolution(
        Tensor(try image.integers().map { Float($0 - zero) }, shape: image.shape),
        Tensor(
          try weights.integers().enumerated().map { index, weight in
            Float(weight - zeros[isEach ? index / perChannel : 0])
          }, shape: weights.shape))
      try expect(
        reference.values.map { Int32($0) }, example.outputShape, from: "ConvInteger",
        attributes: example.attributes, [image, weights, imageZero, weightZeros], "\(types)")

      let scales = try generator.scales(isEach ? [channels] : [])
      let factors = try scales.elements(as: Float.self).map { 0.25 * $0 / 40 }
      let bias = (0..<channels).map { _ in Int32.random(in: -9999...9999, using: &generator) }
      let plane = example.outputShape.dropFirst(2).reduce(1, *)
      let expected = reference.values.enumerated().map { index, sum -> UInt8 in
        let channel = index / plane % channels
        return UInt8.quantized(
          (sum + Double(bias[channel])) * Double(factors[isEach ? channel : 0]), zeroPoint: 77)
      }
      try expect(
        expected, example.outputShape, from: "QLinearConv", attributes: example.attributes,
        [
          image, Tensor(scalar: Float(0.25)), imageZero, weights, scales, weightZeros,
          Tensor(scalar: Float(40)), Tensor(scalar: UInt8(77)), Tensor(bias, shape: [channels]),
        ], "\(types)")
    }
  }
}

extension FixedWidthInteger {
  /// saturate(round(x) + zero point)
  fileprivate static func quantized(_ x: Double, zeroPoint: Int) -> Self {
    Self(clamping: Int(x.rounded(.toNearestOrEven)) + zeroPoint)
  }
}

extension Generator {
  /// Any bytes.
  mutating func bytes(_ type: ElementType, _ shape: Shape) throws -> Tensor {
    let count = shape.elementCount
    return type == .int8
      ? try Tensor(
        (0..<count).map { _ in Int8.random(in: .min ... .max, using: &self) }, shape: shape)
      : try Tensor(
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }, shape: shape)
  }

  /// Scales around 0.02.
  mutating func scales(_ shape: Shape) throws -> Tensor {
    try Tensor(
      (0..<shape.elementCount).map { _ in Float.random(in: 0.01...0.03, using: &self) },
      shape: shape)
  }
}
