import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Puts pooled elements back at the places that MaxPool took them from; all other elements are 0.
///
/// Inputs: X `[N, C, D1, …]`, its indices, of the same shape, and the shape of the output. Indices
/// count in a tensor of the shape that kernel, strides and pads tell, at the beginning of each axis
/// of a larger output. Where several elements have the same index, the last one counts.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MaxUnpool.html>
struct MaxUnpool: Operator {
  static let schema = OperatorSchema("MaxUnpool", since: [9, 11, 22], sameSince: 9, inputs: 2...3)
  static let widening = Widening.isExact

  private let window: UnpoolingWindow

  init(_ attributes: AttributeReader) throws { window = try UnpoolingWindow(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let (_, output) = try window.shapes(context, input: 0, indices: 1, output: 2)
    context.setOutput(0, elementType, output)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let places = try UnpooledPlaces(
      window, pooled: context.input(0).shape, output: context.output(0).shape)
    func kernel<Element: Sendable>(_: Element.Type, zero: Element) -> PreparedKernel {
      .single { arguments in
        let x = arguments.input(0, as: Element.self)
        let indices = arguments.input(1, as: Int64.self)
        let y = arguments.output(0, as: Element.self)
        y.update(repeating: zero, count: places.outputCount)
        for index in 0..<places.pooledCount { y[try places.place(indices[index])] = x[index] }
      }
    }
    switch try context.input(0).elementType.byteWidth {
    case 2: return kernel(UInt16.self, zero: 0)
    case 4: return kernel(UInt32.self, zero: 0)
    default: return kernel(UInt64.self, zero: 0)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "MaxUnpoolGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(1)], attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x2, stride 2",
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])],
        inputs: [
          .floats([1, 2, 3, 4], [1, 1, 2, 2]), .integers([5, 7, 13, 15], [1, 1, 2, 2]),
        ],
        outputs: [
          .floats([0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4], [1, 1, 4, 4])
        ], differentiableInputs: [0]),
      OperatorExample(
        "a larger output, and one index twice",
        attributes: ["kernel_shape": .ints([2]), "pads": .ints([1, 0])],
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [1, 2, 3]), .integers([0, 1, 1, 3, 5, 4], [1, 2, 3]),
          .integers([1, 2, 4], [3]),
        ],
        outputs: [.floats([1, 3, 0, 0, 4, 6, 5, 0], [1, 2, 4])], differentiableInputs: [0]),
    ]
  }
}

/// The attributes of MaxUnpool.
struct UnpoolingWindow: Sendable {
  private let kernel: [Int]
  private let strides: [Int]
  private let pads: [Int]

  init(_ attributes: AttributeReader) throws {
    let kernel = try attributes.required("kernel_shape", attributes.ints("kernel_shape"))
    func checked(_ name: String, _ given: [Int]?, default value: Int, count: Int, least: Int) throws
      -> [Int]
    {
      guard let given, !given.isEmpty else { return [Int](repeating: value, count: count) }
      guard given.count == count, given.allSatisfy({ (least...(1 << 30)).contains($0) }) else {
        throw GraftError.badData("attribute '\(name)' is \(given); expected \(count) numbers")
      }
      return given
    }
    self.kernel = try checked(
      "kernel_shape", kernel, default: 1, count: kernel.count, least: 1)
    strides = try checked(
      "strides", attributes.ints("strides"), default: 1, count: kernel.count, least: 1)
    pads = try checked(
      "pads", attributes.ints("pads"), default: 0, count: 2 * kernel.count, least: 0)
  }

  /// The shape that indices count in.
  func inferredShape(_ pooled: [Dimension]) throws -> [Dimension] {
    guard pooled.count == kernel.count + 2 else {
      throw GraftError.badData(
        "the input has shape \(pooled); expected rank \(kernel.count + 2), as 'kernel_shape' has "
          + "\(kernel.count) extents")
    }
    return try Array(pooled[..<2])
      + kernel.indices.map { axis in
        try pooled[axis + 2].map { extent in
          let (span, overflows) = (extent - 1).multipliedReportingOverflow(by: strides[axis])
          let result =
            overflows
            ? -1 : span - pads[axis] - pads[axis + kernel.count] + kernel[axis]
          guard result >= 0, result < 1 << 48 else {
            throw GraftError.badData("the output has the extent \(result) on spatial axis \(axis)")
          }
          return result
        }
      }
  }

  /// The shape that indices count in, and the output's.
  func shapes(
    _ context: InferenceContext, input: Int, indices: Int, output: Int
  ) throws -> (inferred: [Dimension], output: [Dimension]) {
    try context.require(indices, [.int64])
    let pooled = try context.shape(input)
    try context.requireShape(indices, pooled)
    let inferred = try inferredShape(pooled)
    guard context.hasInput(output) else { return (inferred, inferred) }
    try context.require(output, [.int64])
    let given = try context.extents(output).map { Dimension.known($0) }
    guard given.count == inferred.count,
      zip(given, inferred).allSatisfy({ ($0.known ?? 0) >= ($1.known ?? 0) }),
      given[0].isCompatible(with: inferred[0]), given[1].isCompatible(with: inferred[1])
    else {
      throw GraftError.badData(
        "output_shape is \(given), but the elements come from a shape of \(inferred)")
    }
    return (inferred, given)
  }
}

/// Where pooled elements go, for known shapes.
struct UnpooledPlaces: Sendable {
  let pooledCount: Int
  let outputCount: Int
  private let inferredCount: Int
  private let inferred: Shape
  private let outputStrides: [Int]
  private let isSame: Bool

  init(_ window: UnpoolingWindow, pooled: Shape, output: Shape) throws {
    inferred = try window.inferredShape([Dimension](pooled)).knownShape ?? output
    inferredCount = try inferred.checkedElementCount()
    pooledCount = pooled.elementCount
    outputCount = output.elementCount
    outputStrides = output.denseStrides
    isSame = inferred == output
  }

  /// The place in the output of an index.
  ///
  /// - Throws: `GraftError` if it is out of range
  func place(_ index: Int64) throws -> Int {
    guard index >= 0, index < inferredCount else {
      throw GraftError.badData("index \(index) is out of range for \(inferredCount) elements")
    }
    if isSame { return Int(index) }
    var (rest, place) = (Int(index), 0)
    for axis in inferred.indices.reversed() {
      let (next, coordinate) = rest.quotientAndRemainder(dividingBy: inferred[axis])
      rest = next
      place += coordinate * outputStrides[axis]
    }
    return place
  }
}
