import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ConcatFromSequence: parts of the result's gradient with the shapes of the
/// sequence's elements.
///
/// Inputs: the gradient of the result, the sequence. Attributes: those of ConcatFromSequence.
struct ConcatFromSequenceGradient: Operator {
  static let schema = OperatorSchema(
    "ConcatFromSequenceGradient", domain: "graft", since: [1], inputs: 2...2)

  private let axis: Int
  private let isNewAxis: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    isNewAxis = try attributes.flag("new_axis")
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    context.setOutput(0, .sequence(try context.sequenceElement(1)))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (axis, isNewAxis) = (axis, isNewAxis)
    return .growing { values, memory in
      let inputs = SequenceInputs(values: values)
      let gradient = try inputs.value(0).tensor
      let elements = try inputs.sequence(1)
      let axis = try normalizedAxis(axis, rank: gradient.rank)
      try memory.require([gradient.byteCount])
      let outer = gradient.shape[..<axis].reduce(1, *)
      let inner = gradient.shape[(axis + 1)...].reduce(1, *)
      let row = gradient.shape[axis] * inner * gradient.elementType.byteWidth
      var start = 0
      var parts: [RuntimeValue] = []
      for element in elements {
        let shape = try element.tensor.shape
        var part = shape
        if isNewAxis, axis <= part.count { part.insert(1, at: axis) }
        var expected = gradient.shape
        expected[axis] = axis < part.count ? part[axis] : 0
        guard part == expected, part[axis] <= gradient.shape[axis] - start else {
          throw GraftError.badData(
            "the gradient has shape \(gradient.shape), which elements like \(shape) do not make up")
        }
        let copy = try Tensor(zeros: gradient.elementType, shape: shape)
        let run = part[axis] * inner * gradient.elementType.byteWidth
        let first = start * inner * gradient.elementType.byteWidth
        for place in 0..<outer {
          (copy.baseAddress + place * run).copyMemory(
            from: gradient.baseAddress + place * row + first, byteCount: run)
        }
        start += part[axis]
        parts.append(.tensor(copy))
      }
      return [.sequence(parts)]
    }
  }

  static var examples: [OperatorExample] {
    let gradient = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "different lengths", attributes: ["axis": .int(-1)],
        values: [
          .tensor(gradient),
          .sequence([
            .tensor(.floats([0, 0, 0, 0], [2, 2])), .tensor(.floats([0, 0], [2, 1])),
          ]),
        ],
        results: [
          .sequence([
            .tensor(.floats([1, 2, 4, 5], [2, 2])), .tensor(.floats([3, 6], [2, 1])),
          ])
        ]),
      OperatorExample(
        "a new axis", attributes: ["axis": .int(1), "new_axis": .int(1)],
        values: [
          .tensor(gradient),
          .sequence((0..<3).map { _ in .tensor(.floats([0, 0], [2])) }),
        ],
        results: [
          .sequence([
            .tensor(.floats([1, 4], [2])), .tensor(.floats([2, 5], [2])),
            .tensor(.floats([3, 6], [2])),
          ])
        ]),
    ]
  }
}
