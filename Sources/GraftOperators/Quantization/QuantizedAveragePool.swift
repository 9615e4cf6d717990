import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// QuantizeLinear of an ``AveragePool``, or with `global` a ``GlobalAveragePool``, of a dequantized
/// image with channels last, [N, …, C].
///
/// Results are to the bit those of the three operators. Sums of integers would be exact, but where
/// both scales are equal, a mean of four is a tie each fourth time, which floats round either way.
///
/// Inputs: image with scale and zero point; scale and zero point of the result.
package struct QuantizedAveragePool: Operator {
  package static let schema = OperatorSchema(
    "QuantizedAveragePool", domain: "graft", since: [1], inputs: 5...5)
  package static let isLaborious = true

  /// `nil` for all pixels of an image.
  private let window: PoolingWindow?
  private let countsPadding: Bool

  /// The most pixels of an image. Their sum as doubles is then exact in any order: each is a
  /// multiple of its scale's last place, and below 2^9 times the scale.
  package static let mostPixels = 1 << 20

  package init(_ attributes: AttributeReader) throws {
    window = try attributes.flag("global") ? nil : PoolingWindow(attributes)
    countsPadding = try attributes.flag("count_include_pad")
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 4] { try context.require(index, .bytes) }
    for index in [1, 3] { try context.require(index, [.float]) }
    try context.requireSameElementType([0, 2])
    for index in 1..<5 { try context.requireOneElement(index) }
    let elementType = try context.elementType(4)
    context.setOutput(0, elementType, nil)
    let image = try context.shape(0)
    guard image.count > 2 else {
      throw GraftError.badData("an image of shape \(image) has no spatial axes")
    }
    if let window {
      context.setOutput(0, elementType, try window.inferChannelsLast(context))
    } else {
      let ones = [Dimension](repeating: 1, count: image.count - 2)
      context.setOutput(0, elementType, [image[0]] + ones + [image[image.count - 1]])
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let image = input.shape.channelsFirst
    let window =
      try window
      ?? PoolingWindow(AttributeReader(["kernel_shape": .ints(image[2...].map { max(1, $0) })]))
    guard try context.output(0).elementCount > 0, input.elementCount > 0 else {
      return .tasks(0) { _, _ in }
    }
    let pooling = try QuantizedPooling(window, image: image, input.elementType)
    guard pooling.tapCount <= QuantizedAveragePool.mostPixels else {
      throw GraftError.unsupported("a mean of \(pooling.tapCount) pixels of 8 bits")
    }
    let channels = pooling.channels
    let instructions = IntegerInstructions(context)
    let target = try context.output(0).elementType
    let range = target.integerRange
    let countsPadding = countsPadding
    let integer = target.quantizedInteger ?? 0
    let isGlobal = self.window == nil
    // ``AveragePool`` adds the columns of windows, or all taps in order.
    let addsColumns = pooling.geometry.planar(countsPadding: countsPadding) != nil
    return pooling.kernel(extraByteCount: channels * MemoryLayout<Float>.stride) {
      arguments, description, window, position, extra in
      let means = extra.assumingMemoryBound(to: Float.self)
      let table = instructions.table
      withUnsafePointer(to: pooling.kind.integer(arguments.input(2))) { zeroPoint in
        var quantization = graft_quantization(
          scales: arguments.input(1, as: Float.self), zero_points: zeroPoint, step: 0)
        if isGlobal {
          table.global_average_pool(&description, &quantization, means)
        } else {
          table.average_pool(
            &description, &quantization, addsColumns ? window.height.count : 1,
            window.divisor(countsPadding: countsPadding), means)
        }
      }
      withUnsafePointer(to: ByteKind(target).integer(arguments.input(4))) { zeroPoint in
        var quantization = graft_quantization(
          scales: arguments.input(3, as: Float.self), zero_points: zeroPoint, step: 0)
        table.quantize(
          means, &quantization, Int32(GRAFT_ROUNDING_NONE), range.lowerBound, range.upperBound,
          integer, arguments.output(0) + position * channels, channels)
      }
    }
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.example([10, 1, 20, 2, 30, 3, 41, 4] as [UInt8], [1, 2, 2, 2])
    let parameters: [Tensor?] = [
      .floats([0.5], []), .example([1] as [UInt8], []), .floats([0.25], []),
      .example([5] as [Int8], []),
    ]
    return [
      OperatorExample(
        "global", attributes: ["global": .int(1)], inputs: [image] + parameters,
        // Sums 97 and 6, of four
        outputs: [.example([53, 8] as [Int8], [1, 1, 1, 2])]),
      OperatorExample(
        "windows",
        attributes: [
          "kernel_shape": .ints([2, 1]), "pads": .ints([1, 0, 0, 0]), "count_include_pad": .int(1),
        ],
        inputs: [image] + parameters,
        // Sums 9, 0; 19, 1; 38, 2; 59, 4, of two
        outputs: [.example([14, 5, 24, 6, 43, 7, 64, 9] as [Int8], [1, 2, 2, 2])]),
    ]
  }
}
