import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A matrix of the shape of its input with ones on diagonal `k`, zeros elsewhere.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__EyeLike.html>
struct EyeLike: Operator {
  static let schema = OperatorSchema("EyeLike", since: [9, 22], sameSince: 9, inputs: 1...1)

  let elementType: ElementType?
  let diagonal: Int

  init(_ attributes: AttributeReader) throws {
    elementType = try attributes.elementType("dtype")
    diagonal = try attributes.int("k", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = try elementType ?? context.elementType(0)
    guard Set<ElementType>.realNumbers.union([.bool]).contains(type) else {
      throw GraftError.badData("the output has element type \(type); expected a number or bool")
    }
    context.setOutput(0, type, [.unknown, .unknown])
    let shape = try context.shape(0)
    guard shape.count == 2 else {
      throw GraftError.badData("input 0 has rank \(shape.count); expected 2")
    }
    context.setOutput(0, type, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    let (rows, columns) = (output.shape[0], output.shape[1])
    let width = output.elementType.byteWidth
    let one = try Tensor(zeros: output.elementType, shape: [1])
    let unit = try Tensor(scalar: Double(1))
    try ElementConversion.convert(
      unit.baseAddress, .double, to: one.baseAddress, output.elementType, count: 1)
    withExtendedLifetime(unit) {}
    var phases: [PreparedKernel.Phase] = [
      .zeroing(byteCount: output.byteCount)
    ]
    if diagonal > -rows, diagonal < columns {
      let (firstRow, firstColumn) = (max(0, -diagonal), max(0, diagonal))
      phases.append(
        .copying([
          ElementCopy(
            from: .tensor(one), width: width,
            axes: [
              .init(
                extent: min(rows - firstRow, columns - firstColumn), sourceStride: 0,
                destinationStride: columns + 1)
            ], destinationOffset: firstRow * columns + firstColumn)
        ]))
    }
    return PreparedKernel(phases: phases)
  }

  /// A shape does not depend on the values.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "upper diagonal", attributes: ["k": .int(1)],
        inputs: [.floats([9, 9, 9, 9, 9, 9], [2, 3])],
        outputs: [.floats([0, 1, 0, 0, 0, 1], [2, 3])]),
      OperatorExample(
        "another type, lower diagonal", attributes: ["k": .int(-1), "dtype": .int(7)],
        inputs: [.floats([9, 9, 9, 9, 9, 9], [3, 2])],
        outputs: [.integers([0, 0, 1, 0, 0, 1], [3, 2])]),
      OperatorExample(
        "a diagonal outside", attributes: ["k": .int(Int.min)], inputs: [.floats([9], [1, 1])],
        outputs: [.floats([0], [1, 1])]),
    ]
  }
}
