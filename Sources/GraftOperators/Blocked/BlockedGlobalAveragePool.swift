import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// Mean over height and width of an image in the blocked layout.
package struct BlockedGlobalAveragePool: Operator {
  package static let schema = OperatorSchema(
    "BlockedGlobalAveragePool", domain: "graft", since: [1], inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    context.setBlockedOutput(Array(try context.blockedShape(0)[..<2]) + [1, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let count = shape[2] * shape[3]
    let layers = context.blockedLayers
    return PreparedKernel.parallel(
      count: shape[0] * shape[1], grain: max(1, 2048 / max(1, count))
    ) { arguments, planes in
      layers.global_average_pool(
        arguments.input(0, as: Float.self) + planes.lowerBound * count * channelBlock,
        arguments.output(0, as: Float.self) + planes.lowerBound * channelBlock, planes.count, count)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two images",
        inputs: [
          .blocks(
            [
              -0.07, -0.27, -0.16, -0.98, 1.1, -0.54, -0.05, -0.79, -0.63, -1.28, 1.26, -0.15, 0.97,
              0.01, -0.69, -0.33, -0.56, 0.01, -0.38, -0.3, -1.38, -0.81, 1.65, -0.67,
            ], [2, 2, 2, 3])
        ],
        outputs: [.blocks([-0.15333334, -0.27333334, -0.09833334, -0.31499997], [2, 2, 1, 1])]),
      OperatorExample(
        "one position", inputs: [.blocks([1, 2, 3], [1, 3, 1, 1])],
        outputs: [.blocks([1, 2, 3], [1, 3, 1, 1])]),
    ]
  }
}
