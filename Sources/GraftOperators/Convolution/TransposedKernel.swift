import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The weights with which the gradient of a convolution's image is itself a convolution: input and
/// output channels are swapped, and kernels are rotated by 180°.
///
/// Input: [M, C, kH, kW]. Output: [C, M, kH, kW].
struct TransposedKernel: Operator {
  static let schema = OperatorSchema(
    "TransposedKernel", domain: "graft", since: [1], inputs: 1...1)

  /// The channels and rows to transpose at a time, so that reads stay in the L1 cache: the rows of
  /// some networks map to the same cache sets.
  private static let tileWidth = 16
  private static let tileHeight = 8

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float])
    context.setOutput(0, .float, nil)
    let shape = try context.shape(0)
    guard shape.count == 4 else {
      throw GraftError.badData("weights of rank \(shape.count) are not those of two dimensions")
    }
    context.setOutput(0, .float, [shape[1], shape[0], shape[2], shape[3]])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (rows, channels, taps) = (shape[0], shape[1], shape[2] * shape[3])
    return PreparedKernel.parallel(
      count: (channels + TransposedKernel.tileWidth - 1) / TransposedKernel.tileWidth,
      grain: max(1, 32768 / max(1, TransposedKernel.tileWidth * rows * taps))
    ) { arguments, tiles in
      let weights = arguments.input(0, as: Float.self)
      let result = arguments.output(0, as: Float.self)
      let first = tiles.lowerBound * TransposedKernel.tileWidth
      let end = min(channels, tiles.upperBound * TransposedKernel.tileWidth)
      for left in stride(from: first, to: end, by: TransposedKernel.tileWidth) {
        for top in stride(from: 0, to: rows, by: TransposedKernel.tileHeight) {
          let height = min(TransposedKernel.tileHeight, rows - top)
          for channel in left..<min(end, left + TransposedKernel.tileWidth) {
            var source = weights + (top * channels + channel) * taps
            var target = result + (channel * rows + top) * taps
            for _ in 0..<height {
              for tap in 0..<taps { target[tap] = source[taps - 1 - tap] }
              source += channels * taps
              target += taps
            }
          }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two rows of one channel",
        inputs: [.floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 2, 2])],
        outputs: [.floats([4, 3, 2, 1, 8, 7, 6, 5], [1, 2, 2, 2])])
    ]
  }
}
