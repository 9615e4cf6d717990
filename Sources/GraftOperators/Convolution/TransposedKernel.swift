/// The weights by which the gradient of a convolution's image is a convolution itself: input and output channels change
/// places, and kernels are turned around.
///
/// Input: [M, C, kH, kW]. Output: [C, M, kH, kW].
struct TransposedKernel: Operator {
  static let schema = OperatorSchema(
    "TransposedKernel", domain: "graft", since: [1], inputs: 1...1)

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
    // Of so many channels the weights of a row lie together, and few rows are written at a time.
    let partSize = 16
    return PreparedKernel.parallel(
      count: (channels + partSize - 1) / partSize,
      grain: max(1, 32768 / max(1, partSize * rows * taps))
    ) { arguments, parts in
      let weights = arguments.input(0, as: Float.self)
      let result = arguments.output(0, as: Float.self)
      for part in parts {
        for row in 0..<rows {
          for channel in part * partSize..<min(channels, (part + 1) * partSize) {
            let source = weights + (row * channels + channel) * taps
            let target = result + (channel * rows + row) * taps
            for tap in 0..<taps { target[tap] = source[taps - 1 - tap] }
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
