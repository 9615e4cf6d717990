import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Takes slices by tuples of indices; the first `batch_dims` axes are common to both.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GatherND.html>
struct GatherND: Operator {
  static let schema = OperatorSchema("GatherND", since: [11, 12, 13], sameSince: 11, inputs: 2...2)

  let batchAxes: Int

  init(_ attributes: AttributeReader) throws {
    batchAxes = try attributes.int("batch_dims", default: 0)
    guard batchAxes >= 0 else {
      throw GraftError.badData("attribute 'batch_dims' is \(batchAxes)")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(1, .indices)
    let shape = try IndexTuples.gatheredShape(
      data: context.shape(0), indices: context.shape(1), batchAxes: batchAxes)
    _ = try shape.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let tuples = try IndexTuples(
        context, indices: 1, data: context.input(0), batchAxes: batchAxes)
      return .gathering(tuples.offsets, rowBytes: tuples.rowBytes)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "GatherNDGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0), try builder.input(1)],
        attributes: ["batch_dims": .int(batchAxes)]))
  }

  static var examples: [OperatorExample] {
    let cube = Tensor.floats([0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2])
    return [
      OperatorExample(
        "elements", inputs: [.floats([0, 1, 2, 3], [2, 2]), .integers([0, 0, 1, -1], [2, 2])],
        outputs: [.floats([0, 3], [2])], differentiableInputs: [0]),
      OperatorExample(
        "rows", inputs: [cube, .integers([0, 1, 1, 0], [2, 1, 2])],
        outputs: [.floats([2, 3, 4, 5], [2, 1, 2])], differentiableInputs: [0]),
      OperatorExample(
        "a batch", attributes: ["batch_dims": .int(1)],
        inputs: [cube, .integers([1, 0], [2, 1])],
        outputs: [.floats([2, 3, 4, 5], [2, 2])], differentiableInputs: [0]),
    ]
  }
}
