import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// ``AveragePool`` of an image in the blocked layout, over two axes.
package struct BlockedAveragePool: Operator {
  package static let schema = OperatorSchema(
    "BlockedAveragePool", domain: "graft", since: [1], inputs: 1...1)

  let window: PoolingWindow
  let countsPadding: Bool

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(blocked: attributes)
    countsPadding = try attributes.flag("count_include_pad")
  }

  package func infer(_ context: inout InferenceContext) throws { try window.inferBlocked(&context) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try window.blockedKernel(context, countsPadding: countsPadding) { layers, pool, x, y, rows in
      layers.average_pool(pool, x, y, rows.lowerBound, rows.upperBound)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "3x3, stride 2, SAME_UPPER",
        attributes: [
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]),
          "auto_pad": .string("SAME_UPPER"),
        ],
        inputs: [
          .blocks(
            [-1.19, -0.58, -0.2, 0.9, 1.15, -1.32, -0.79, 0.65, -1.99, -0.46, -0.1, 1.26],
            [1, 1, 4, 3])
        ],
        outputs: [.blocks([0.02333332, -0.38166666, -0.17500001, -0.045000017], [1, 1, 2, 2])]),
      OperatorExample(
        "padding counts, ceil_mode",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
          "ceil_mode": .int(1), "count_include_pad": .int(1),
        ],
        inputs: [
          .blocks(
            [0.69, -0.33, -0.37, -0.25, 1.52, -0.43, -0.3, 0.35, -0.12, -0.2, -1.11, -0.01],
            [1, 1, 4, 3])
        ],
        outputs: [.blocks([0.1725, -0.17500001, -0.1375, 0.32999998, -0.1, -0.56], [1, 1, 3, 2])]),
    ]
  }
}
