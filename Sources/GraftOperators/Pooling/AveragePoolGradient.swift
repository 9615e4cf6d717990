import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of AveragePool: spreads each output's gradient over its window.
///
/// Inputs: the gradient of the output, the shape of AveragePool's input (int64). Attributes: those
/// of AveragePool, and `is_sum`: whether windows were summed instead of averaged. Output: the
/// gradient of the input.
struct AveragePoolGradient: RealOperator {
  static let schema = OperatorSchema(
    "AveragePoolGradient", domain: "graft", since: [1], inputs: 2...2)

  let window: PoolingWindow
  let countsPadding: Bool
  let isSum: Bool

  init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(attributes)
    countsPadding = try attributes.flag("count_include_pad")
    isSum = try attributes.flag("is_sum")
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.contents(1).integers()
    _ = try shape.checkedElementCount()
    context.setOutput(0, elementType, [Dimension](shape))
    try context.requireShapeAgrees(0, try window.outputShape([Dimension](shape)))
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let geometry = try PoolGeometry(window, inputShape: context.output(0).shape)
    let countsPadding = countsPadding
    let isSum = isSum
    return PreparedKernel.parallel(count: geometry.planeCount, grain: geometry.grain()) {
      arguments, planes in
      let outputGradient = arguments.input(0, as: Element.self)
      let inputGradient = arguments.output(0, as: Element.self)
      for plane in planes {
        let outputGradient = outputGradient + plane * geometry.outputCount
        let inputGradient = inputGradient + plane * geometry.inputCount
        inputGradient.update(repeating: 0, count: geometry.inputCount)
        geometry.forEachWindow { index, window in
          let share =
            isSum
            ? outputGradient[index]
            : outputGradient[index] / window.divisor(countsPadding: countsPadding)
          window.forEachTap { inputGradient[$0] += share }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "padding does not count",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([1, 2]), "pads": .ints([0, 1, 0, 0]),
        ],
        inputs: [
          .floats([-0.21, 0.7, 0.52, -1.03], [1, 1, 2, 2]), .integers([1, 1, 3, 3], [4]),
        ],
        outputs: [
          .floats(
            [-0.105, 0.175, 0.175, 0.155, -0.082499996, -0.082499996, 0.26, -0.2575, -0.2575],
            [1, 1, 3, 3])
        ]),
      OperatorExample(
        "padding counts",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([1, 2]), "pads": .ints([0, 1, 0, 0]),
          "count_include_pad": .int(1),
        ],
        inputs: [
          .floats([-0.21, 0.7, 0.52, -1.03], [1, 1, 2, 2]), .integers([1, 1, 3, 3], [4]),
        ],
        outputs: [
          .floats(
            [-0.0525, 0.175, 0.175, 0.0775, -0.082499996, -0.082499996, 0.13, -0.2575, -0.2575],
            [1, 1, 3, 3])
        ]),
      OperatorExample(
        "sums",
        attributes: ["kernel_shape": .ints([2]), "is_sum": .int(1)],
        inputs: [.floats([1, 2, 3], [1, 1, 3]), .integers([1, 1, 4], [3])],
        outputs: [.floats([1, 3, 5, 3], [1, 1, 4])]),
    ]
  }
}
