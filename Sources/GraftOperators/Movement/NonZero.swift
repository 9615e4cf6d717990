/// The indices of all elements that are not zero, `[rank, count]`, in row-major order.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__NonZero.html>
struct NonZero: Operator {
  static let schema = OperatorSchema("NonZero", since: [9, 13], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .int64, [.unknown, .unknown])
    context.setOutput(0, .int64, [.known(try context.shape(0).count), .unknown])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .dynamic { inputs in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      let places = input.isNonZero().enumerated().filter(\.element).map(\.offset)
      let strides = input.shape.denseStrides
      var indices: [Int64] = []
      indices.reserveCapacity(places.count * input.rank)
      for axis in input.shape.indices {
        indices += places.map { Int64($0 / strides[axis] % input.shape[axis]) }
      }
      return [.tensor(try Tensor(indices, shape: [input.rank, places.count]))]
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a matrix", inputs: [.bools([true, false, true, true], [2, 2])],
        outputs: [.integers([0, 1, 1, 0, 0, 1], [2, 3])]),
      OperatorExample(
        "negative zero, NaN", inputs: [.floats([-0.0, .nan, 0, -1], [4])],
        outputs: [.integers([1, 3], [1, 2])]),
      OperatorExample(
        "a scalar", inputs: [.floats([3], [])], outputs: [.integers([], [0, 1])]),
    ]
  }
}
