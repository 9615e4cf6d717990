import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``MaxPoolGradient`` of images in the blocked layout, over two axes.
///
/// With the attribute `follows_relu` the input is a Relu's output, and the result is the gradient
/// of the Relu's input.
package struct BlockedMaxPoolGradient: Operator {
  package static let schema = OperatorSchema(
    "BlockedMaxPoolGradient", domain: "graft", since: [1], inputs: 2...2)

  let window: PoolingWindow
  let followsRelu: Bool

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(blocked: attributes)
    followsRelu = try attributes.flag("follows_relu")
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    try context.requireSameElementType([0, 1])
    let shape = try context.blockedShape(1)
    context.setBlockedOutput(shape)
    try context.requireShapeAgrees(0, try window.outputShape(shape) + [.known(channelBlock)])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let layers = context.blockedLayers
    let geometry = try PoolGeometry(window, inputShape: Array(context.input(1).shape[..<4]))
    let pool = geometry.kernelParameters(countsPadding: false)
    let inputSize = geometry.inputCount * channelBlock
    let outputSize = geometry.outputCount * channelBlock
    let followsRelu: Int32 = followsRelu ? 1 : 0
    return PreparedKernel.parallel(
      count: geometry.planeCount, grain: max(1, 65536 / max(1, inputSize))
    ) { arguments, planes in
      withUnsafePointer(to: pool) { pool in
        for plane in planes {
          layers.max_pool_gradient(
            pool, arguments.input(1, as: Float.self) + plane * inputSize,
            arguments.input(0, as: Float.self) + plane * outputSize, followsRelu,
            arguments.output(0, as: Float.self) + plane * inputSize)
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
          .blocks([0.125, -0.625, 2, 0.75], [1, 1, 2, 2]),
          .blocks([2.5, 0.5, -0.5, -1.5, 2, -3, -1, 1.5, -2.5, 0, 1, -2], [1, 1, 4, 3]),
        ],
        outputs: [.blocks([0.125, 0, 0, 0, 2.125, 0, 0, 0, 0, 0, 0, 0], [1, 1, 4, 3])]),
      OperatorExample(
        "after a Relu",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "follows_relu": .int(1),
        ],
        inputs: [
          .blocks([1, 2], [1, 1, 1, 2]), .blocks([0, 0, 1, 2, 0, 0, 3, 0], [1, 1, 2, 4]),
        ],
        outputs: [.blocks([0, 0, 0, 0, 0, 0, 2, 0], [1, 1, 2, 4])]),
      OperatorExample(
        "equal elements and padding",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 0, 0, 0]),
        ],
        inputs: [
          .blocks([1, 2, 3, 4], [1, 1, 2, 2]),
          .blocks([5, 5, 1, 2, 0, 0, 7, 7, 0, 0, 7, 7], [1, 1, 3, 4]),
        ],
        outputs: [.blocks([1, 0, 0, 2, 3, 0, 4, 0, 0, 0, 0, 0], [1, 1, 3, 4])]),
    ]
  }
}
