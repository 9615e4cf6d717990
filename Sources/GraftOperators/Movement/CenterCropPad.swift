import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Crops or pads with zeros around the centre until the axes have the given extents.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CenterCropPad.html>
struct CenterCropPad: Operator {
  static let schema = OperatorSchema("CenterCropPad", since: [18], inputs: 2...2)
  static let acceptsUnalignedInputs = true

  let axes: [Int]?

  init(_ attributes: AttributeReader) throws { axes = try attributes.ints("axes") }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    var shape = try context.shape(0)
    let axes = try normalizedAxes(axes, rank: shape.count)
    for axis in axes { shape[axis] = .unknown }
    context.setOutput(0, elementType, shape)
    try context.require(1, .indices)
    let extents = try context.extents(1)
    guard extents.count == axes.count else {
      throw GraftError.badData("has \(extents.count) extents for \(axes.count) axes")
    }
    for (axis, extent) in zip(axes, extents) { shape[axis] = .known(extent) }
    _ = try shape.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let missing = try zip(context.output(0).shape, input.shape).map { $0 - $1 }
      let begins = missing.map { $0 / 2 }
      return .copying(
        PaddedCopy(
          inputShape: input.shape, begins: begins, ends: zip(missing, begins).map { $0 - $1 },
          width: input.elementType.byteWidth,
          fill: .tensor(try Tensor(zeros: input.elementType, shape: [1]))
        ).copies())
    }
  }

  /// Cropping reverses padding and vice versa, with the same centre.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let shape = builder.add("Shape", [try builder.input(0)])
    builder.setInputGradient(
      0, builder.add("CenterCropPad", [try builder.outputGradient(), shape]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "crops and pads", inputs: [.floats([1, 2, 3, 4], [4, 1]), .integers([1, 2], [2])],
        outputs: [.floats([2, 0], [1, 2])], differentiableInputs: [0]),
      OperatorExample(
        "one axis, odd difference", attributes: ["axes": .ints([-1])],
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .integers([5], [1])],
        outputs: [.floats([0, 1, 2, 0, 0, 0, 3, 4, 0, 0], [2, 5])], differentiableInputs: [0]),
    ]
  }
}
