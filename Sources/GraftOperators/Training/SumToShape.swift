import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// x summed to the shape of `like`, the reverse of broadcasting: over the axes that `like` lacks,
/// and over those where it has extent 1.
///
/// Inputs: x, like (only its shape counts). Output: of the type of x.
struct SumToShape: Operator {
  static let schema = OperatorSchema("SumToShape", domain: "graft", since: [1], inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let target = try context.shape(1)
    context.setOutput(0, elementType, target)
    let shape = try context.shape(0)
    let common = try broadcast([shape, target])
    let isWidened =
      common.count != shape.count
      || zip(common, shape).contains { common, extent in
        if let common = common.known, let extent = extent.known { common != extent } else { false }
      }
    guard !isWidened else {
      throw GraftError.badData("shape \(shape) is not a broadcast of \(target)")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let target = try context.output(0).shape
    if shape == target { return .alias(input: 0) }
    let missing = shape.count - target.count
    let axes = shape.indices.filter {
      $0 < missing || (target[$0 - missing] == 1 && shape[$0] != 1)
    }
    return try context.sumKernel(
      axes: axes, of: .element, finish: Total.self, finishInteger: IntegerTotal.self)
  }

  /// dx = dy, broadcast
  func gradient(_ builder: inout GradientBuilder) throws {
    let shape = builder.add("Shape", [try builder.input(0)])
    builder.setInputGradient(0, builder.add("Expand", [try builder.outputGradient(), shape]))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "row", inputs: [matrix, .floats([0, 0, 0], [3])], outputs: [.floats([5, 7, 9], [3])],
        differentiableInputs: [0]),
      OperatorExample(
        "column", inputs: [matrix, .floats([0, 0], [2, 1])],
        outputs: [.floats([6, 15], [2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "scalar", inputs: [matrix, .floats([0], [])], outputs: [.floats([21], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "same shape", inputs: [matrix, matrix], outputs: [matrix], differentiableInputs: [0]),
      OperatorExample(
        "empty", inputs: [.floats([], [0, 2]), .floats([0, 0], [2])],
        outputs: [.floats([0, 0], [2])]),
    ]
  }
}
