import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// ``MaxPool`` of an image in the blocked layout, over two axes and without indices.
package struct BlockedMaxPool: Operator {
  package static let schema = OperatorSchema(
    "BlockedMaxPool", domain: "graft", since: [1], inputs: 1...1)

  let window: PoolingWindow

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(blocked: attributes)
  }

  package func infer(_ context: inout InferenceContext) throws { try window.inferBlocked(&context) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try window.blockedKernel(context) { layers, pool, x, y, rows in
      layers.max_pool(pool, x, y, rows.lowerBound, rows.upperBound)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "padding and ceil_mode",
        attributes: [
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
          "ceil_mode": .int(1),
        ],
        inputs: [
          .blocks([1, -1, 1.5, -1.5, 0.5, 2.5, 0, -2.5, 2, -3, -2, -0.5], [1, 1, 4, 3])
        ],
        outputs: [.blocks([1, 2.5, 0.5, 2.5], [1, 1, 2, 2])]),
      OperatorExample(
        "2x2, stride 2",
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])],
        inputs: [
          .blocks(
            [-2.5, 1, -1, 0, -3.5, 3, -4, -0.5, -2, 2.5, 3.5, -3, 2, -1.5, 0.5, 1.5], [1, 1, 4, 4])
        ],
        outputs: [.blocks([3, 0, 2.5, 3.5], [1, 1, 2, 2])]),
    ]
  }
}
