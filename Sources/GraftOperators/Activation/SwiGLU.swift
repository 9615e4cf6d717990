import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// y = a sigmoid(alpha a) · b, for a gate a and values b of one shape.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SwiGLU.html>
struct SwiGLU: RealOperator {
  static let schema = OperatorSchema("SwiGLU", since: [28], inputs: 2...2)
  static let operandCount = 2
  static let widening = Widening.rounds

  private let alpha: Float

  init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
  }

  /// Before opset 28 there are only the operators that it consists of.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let gate = try context.addBefore(
      Swish.schema.name, [node.inputs[0]], attributes: node.attributes)
    node = Node(
      name: node.name, operatorType: Mul.schema.name, inputs: [gate, node.inputs[1]],
      outputs: node.outputs)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.setOutputLikeInput()
    try context.requireShapeAgrees(1, context.shape(0))
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    let alpha = alpha
    if Element.self == Float.self {
      let swish = try context.vectorFunction { $0.swish }
      let binary = context.instructionSet.kernels.pointee.binary.pointee
      guard let multiply = binary.multiply.vector_vector else {
        throw GraftError(.software, "the product is missing in the table of binary kernels")
      }
      return .parallel(count: count, grain: 16384, inPlaceInputs: [0]) { arguments, range in
        let result = arguments.output(0, as: Float.self) + range.lowerBound
        swish(
          arguments.input(0, as: Float.self) + range.lowerBound, result, range.count, alpha, 0)
        let values = arguments.input(1, as: Float.self) + range.lowerBound
        multiply(result, values, result, Int64(range.count))
      }
    }
    return .parallel(count: count, grain: 4096, inPlaceInputs: [0]) { arguments, range in
      let gate = arguments.input(0, as: Element.self)
      let values = arguments.input(1, as: Element.self)
      let result = arguments.output(0, as: Element.self)
      for i in range {
        result[i] = gate[i] / (1 + Element.exponential(-Element(alpha) * gate[i])) * values[i]
      }
    }
  }

  /// da = dy b (s + alpha swish(a) (1 - s)) with s = sigmoid(alpha a), db = dy swish(a)
  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let gate = try builder.input(0)
    let swish = builder.add("Swish", [gate], attributes: builder.node.attributes)
    if builder.needs(1) {
      builder.setInputGradient(1, builder.add("Mul", [gradient, swish]))
    }
    guard builder.needs(0) else { return }
    let alpha = try builder.addScalar(Double(alpha), like: gate)
    let sigmoid = builder.add("Sigmoid", [builder.add("Mul", [alpha, gate])])
    let rest = builder.add("Sub", [try builder.addScalar(1, like: gate), sigmoid])
    let slope = builder.add(
      "Add",
      [sigmoid, builder.add("Mul", [builder.add("Mul", [alpha, swish]), rest])])
    let scaled = builder.add("Mul", [gradient, try builder.input(1)])
    builder.setInputGradient(0, builder.add("Mul", [scaled, slope]))
  }

  static var examples: [OperatorExample] {
    let gate = Tensor.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])
    let values = Tensor.floats([1, 2, -1, 0.5, 3, -2], [2, 3])
    return [
      OperatorExample(
        "default", inputs: [gate, values],
        outputs: [
          .floats(
            [-0.142277613, -0.537882864, 0.109455876, 0.155614838, 5.28478254, -7.8561101],
            [2, 3])
        ], differentiableInputs: [0, 1]),
      OperatorExample(
        "alpha 2", attributes: ["alpha": .float(2)], inputs: [gate, values],
        outputs: [
          .floats(
            [-0.00741786929, -0.238405838, 0.0943851694, 0.1827646495, 5.89208256, -7.99731732],
            [2, 3])
        ], differentiableInputs: [0, 1]),
    ]
  }
}
