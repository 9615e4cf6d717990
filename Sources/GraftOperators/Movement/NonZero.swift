import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The indices of all elements that are not zero, `[rank, count]`, in row-major order.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__NonZero.html>
struct NonZero: Operator {
  static let schema = OperatorSchema("NonZero", since: [9, 13], sameSince: 9, inputs: 1...1)
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .int64, [.unknown, .unknown])
    context.setOutput(0, .int64, [.known(try context.shape(0).count), .unknown])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .growing { inputs, memory in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      let isNonZero = input.isNonZero()
      let count = isNonZero.count { $0 }
      let shape = [input.rank, count]
      try memory.require([try Tensor.memoryByteCount(.int64, shape)])
      let indices = try Tensor(zeros: .int64, shape: shape)
      let strides = input.shape.denseStrides
      indices.withUnsafeMutableBytes { bytes in
        let indices = bytes.bindMemory(to: Int64.self)
        var column = 0
        for (place, isNonZero) in isNonZero.enumerated() where isNonZero {
          for axis in strides.indices {
            indices[axis * count + column] = Int64(place / strides[axis] % input.shape[axis])
          }
          column += 1
        }
      }
      return [.tensor(indices)]
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
