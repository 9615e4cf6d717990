import GraftExecution
import GraftFiles
import GraftGraph

/// The gradient of MaxPool: each output's gradient goes to the largest element of its window.
///
/// Inputs: the gradient of the output, MaxPool's input. Attributes: those of MaxPool. Output: the
/// gradient of the input.
package struct MaxPoolGradient: RealOperator {
  package static let schema = OperatorSchema(
    "MaxPoolGradient", domain: "graft", since: [1], inputs: 2...2)

  package let window: PoolingWindow
  /// Only in the blocked form.
  var followsRelu = false

  package init(_ attributes: AttributeReader) throws { window = try PoolingWindow(attributes) }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(1, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(1)
    context.setOutput(0, elementType, shape)
    try context.requireShapeAgrees(0, try window.outputShape(shape))
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let geometry = try PoolGeometry(window, inputShape: context.input(1).shape)
    return PreparedKernel.parallel(count: geometry.planeCount, grain: geometry.grain()) {
      arguments, planes in
      let outputGradient = arguments.input(0, as: Element.self)
      let x = arguments.input(1, as: Element.self)
      let inputGradient = arguments.output(0, as: Element.self)
      for plane in planes {
        let outputGradient = outputGradient + plane * geometry.outputCount
        let x = x + plane * geometry.inputCount
        let inputGradient = inputGradient + plane * geometry.inputCount
        inputGradient.update(repeating: 0, count: geometry.inputCount)
        geometry.forEachWindow { index, window in
          let best = window.indexOfLargest(x)
          if best >= 0 { inputGradient[best] += outputGradient[index] }
        }
      }
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "overlapping windows",
        attributes: ["kernel_shape": .ints([3, 2]), "strides": .ints([1, 1])],
        inputs: [
          .floats([0.12, -0.64, 2, 0.76], [1, 1, 2, 2]),
          .floats([2.5, 0.5, -0.5, -1.5, 2, -3, -1, 1.5, -2.5, 0, 1, -2], [1, 1, 4, 3]),
        ],
        outputs: [.floats([0.12, 0, 0, 0, 2.1200001, 0, 0, 0, 0, 0, 0, 0], [1, 1, 4, 3])]),
      OperatorExample(
        "1-D with padding",
        attributes: ["kernel_shape": .ints([2]), "strides": .ints([2]), "pads": .ints([1, 0])],
        inputs: [
          .floats([0.67, 1.44, -0.68, 0.2, -0.46, 0.13], [1, 2, 3]),
          .floats([-2, -2.5, 0.5, -1, 0, 1, -1.5, -0.5, 2, 1.5], [1, 2, 5]),
        ],
        outputs: [.floats([0.67, 0, 1.44, 0, -0.68, 0.2, 0, -0.46, 0.13, 0], [1, 2, 5])]),
      OperatorExample(
        "equal elements and padding",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 0, 0, 0]),
        ],
        inputs: [
          .floats([1, 2, 3, 4], [1, 1, 2, 2]),
          .floats([5, 5, 1, 2, 0, 0, 7, 7, 0, 0, 7, 7], [1, 1, 3, 4]),
        ],
        outputs: [.floats([1, 0, 0, 2, 3, 0, 4, 0, 0, 0, 0, 0], [1, 1, 3, 4])]),
    ]
  }
}
