import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Reverses the first `sequence_lens[b]` time steps of each sequence `b` of a batch; the others
/// stay.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReverseSequence.html>
struct ReverseSequence: Operator {
  static let schema = OperatorSchema(
    "ReverseSequence", since: [10, 28], sameSince: 10, inputs: 2...2)

  let isTimeFirst: Bool

  init(_ attributes: AttributeReader) throws {
    let batchAxis = try attributes.int("batch_axis", default: 1)
    let timeAxis = try attributes.int("time_axis", default: 0)
    guard Set([batchAxis, timeAxis]) == [0, 1] else {
      throw GraftError.badData(
        "batch axis \(batchAxis) and time axis \(timeAxis); expected 0 and 1, or 1 and 0")
    }
    isTimeFirst = timeAxis == 0
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput()
    try context.require(1, [.int64])
    let shape = try context.shape(0)
    guard shape.count >= 2 else {
      throw GraftError.badData("input 0 has rank \(shape.count); expected 2 or more")
    }
    try context.requireShape(1, [shape[isTimeFirst ? 1 : 0]])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let (steps, batch) = (
        input.shape[isTimeFirst ? 0 : 1], input.shape[isTimeFirst ? 1 : 0]
      )
      let rowBytes = input.shape[2...].reduce(input.elementType.byteWidth, *)
      let (stepStride, batchStride) = isTimeFirst ? (batch, 1) : (1, steps)
      let offsets = PreparedKernel.Phase(taskCount: 1) { arguments, _ in
        guard let scratch = arguments.scratch else { return }
        let offsets = scratch.assumingMemoryBound(to: Int.self)
        let lengths = arguments.input(1, as: Int64.self)
        for sequence in 0..<batch {
          let length = Int(lengths[sequence])
          guard length >= 0, length <= steps else {
            throw GraftError.badData(
              "sequence \(sequence) has length \(length); the time axis has \(steps) steps")
          }
          for step in 0..<steps {
            let from = step < length ? length - 1 - step : step
            offsets[step * stepStride + sequence * batchStride] =
              (from * stepStride + sequence * batchStride) * rowBytes
          }
        }
      }
      return .gathering(offsets, offsetCount: steps * batch, rowBytes: rowBytes)
    }
  }

  /// The same operation, which is its own inverse.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "ReverseSequence", [try builder.outputGradient(), try builder.input(1)],
        attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let counting = Tensor.floats((0..<12).map(Float.init), [4, 3])
    return [
      OperatorExample(
        "time first", inputs: [counting, .integers([4, 2, 1], [3])],
        outputs: [.floats([9, 4, 2, 6, 1, 5, 3, 7, 8, 0, 10, 11], [4, 3])],
        differentiableInputs: [0]),
      OperatorExample(
        "batch first", attributes: ["batch_axis": .int(0), "time_axis": .int(1)],
        inputs: [counting, .integers([1, 2, 3, 0], [4])],
        outputs: [.floats([0, 1, 2, 4, 3, 5, 8, 7, 6, 9, 10, 11], [4, 3])],
        differentiableInputs: [0]),
    ]
  }
}
