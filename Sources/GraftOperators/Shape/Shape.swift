import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The extents of the axes `start ..< end` of a tensor, clamped to the existing axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Shape.html>
package struct ShapeOperator: Operator {
  package static let schema = OperatorSchema(
    "Shape", since: [1, 13, 15, 19, 21, 23, 24, 25], sameSince: 1, inputs: 1...1)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact

  package let start: Int
  package let end: Int?

  package init(_ attributes: AttributeReader) throws {
    start = try attributes.int("start", default: 0)
    end = try attributes.int("end")
  }

  private func axes(rank: Int) -> Range<Int> {
    func clamped(_ axis: Int) -> Int { max(0, min(axis < 0 ? axis + rank : axis, rank)) }
    let first = clamped(start)
    return first..<max(first, clamped(end ?? rank))
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .int64, [.unknown])
    let shape = try context.shape(0)
    let extents = Array(shape[axes(rank: shape.count)])
    context.setOutput(0, .int64, [.known(extents.count)])
    if let known = extents.knownShape {
      context.setContents(0, try Tensor(known.map(Int64.init), shape: [known.count]))
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let extents = shape[axes(rank: shape.count)].map(Int64.init)
    return .single { arguments in
      let output = arguments.output(0, as: Int64.self)
      for index in extents.indices { output[index] = extents[index] }
    }
  }

  /// A shape does not depend on the values.
  package func gradient(_ builder: inout GradientBuilder) throws {}

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "all axes", inputs: [.floats([1, 2, 3, 4, 5, 6], [1, 2, 3])],
        outputs: [.integers([1, 2, 3], [3])]),
      OperatorExample(
        "clamped, from the end", attributes: ["start": .int(-2), "end": .int(10)],
        inputs: [.floats([1, 2, 3, 4, 5, 6], [1, 2, 3])], outputs: [.integers([2, 3], [2])]),
      OperatorExample(
        "none", attributes: ["start": .int(2), "end": .int(1)],
        inputs: [.floats([], [1, 0, 3])], outputs: [.integers([], [0])]),
    ]
  }
}
