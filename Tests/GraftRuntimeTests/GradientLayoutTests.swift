import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import Testing

/// Gradients of convolutions in the blocked layout against those of the original graph.
@Suite struct GradientLayoutTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var extents: [Int]
    var kernel: Int
    var strides = [2, 2]
    var pads = [0, 0, 0, 0]
    var dilation = 1
    var groupCount = 1
    /// What computes the gradient of the image.
    let operatorType: String

    var testDescription: String {
      "\(extents), kernel \(kernel), strides \(strides), pads \(pads), \(groupCount) groups"
    }
  }

  private static let cases = [
    Case(extents: [8, 6], kernel: 3, pads: [1, 1, 1, 1], operatorType: "BlockedZeroInsertion"),
    Case(extents: [7, 9], kernel: 3, pads: [1, 1, 1, 1], operatorType: "BlockedZeroInsertion"),
    Case(extents: [8, 5], kernel: 3, operatorType: "BlockedZeroInsertion"),
    Case(extents: [9, 6], kernel: 3, pads: [0, 1, 2, 0], operatorType: "BlockedZeroInsertion"),
    Case(extents: [3, 3], kernel: 3, operatorType: "BlockedZeroInsertion"),
    Case(extents: [8, 7], kernel: 1, operatorType: "BlockedZeroInsertion"),
    Case(extents: [1, 2], kernel: 1, operatorType: "BlockedZeroInsertion"),
    Case(
      extents: [8, 7], kernel: 3, strides: [1, 1], pads: [1, 0, 1, 2], operatorType: "BlockedConv"),
    // Nodes that are not converted.
    Case(
      extents: [8, 7], kernel: 1, pads: [1, 0, 0, 0], operatorType: "ConvolutionInputGradient"),
    Case(extents: [11, 9], kernel: 3, strides: [3, 2], operatorType: "ConvolutionInputGradient"),
    Case(extents: [11, 9], kernel: 3, dilation: 2, operatorType: "ConvolutionInputGradient"),
    Case(extents: [11, 9], kernel: 5, operatorType: "ConvolutionInputGradient"),
    Case(
      extents: [8, 7], kernel: 3, pads: [1, 1, 1, 1], groupCount: 20,
      operatorType: "BlockedDepthwiseInputGradient"),
    Case(
      extents: [8, 7], kernel: 3, strides: [1, 1], pads: [1, 0, 1, 2], dilation: 2, groupCount: 20,
      operatorType: "BlockedDepthwiseInputGradient"),
  ]

  @Test(arguments: cases)
  func gradientsAgree(_ example: Case) throws {
    func tensor(_ shape: Shape, seed: Int) throws -> Tensor {
      let values = (0..<shape.elementCount).map { Float(($0 * 7919 + seed) % 2003) / 2002 - 0.5 }
      return try Tensor(values, shape: shape)
    }
    var graph = Graph(name: "gradients")
    let shape = [2, 20] + example.extents
    let x = graph.addInput(
      name: "x", type: TensorType(.float, [.symbol("N")] + shape[1...].map(Dimension.known)))
    let first = graph.addParameter(name: "first", try tensor([20, 20, 1, 1], seed: 1))
    let second = graph.addParameter(
      name: "second",
      try tensor([20, 20 / example.groupCount, example.kernel, example.kernel], seed: 2))
    let y = graph.addNode(
      "Conv", [graph.addNode("Conv", [x, first]), second],
      attributes: [
        "strides": .ints(example.strides), "pads": .ints(example.pads),
        "dilations": .ints([example.dilation, example.dilation]), "group": .int(example.groupCount),
      ])
    // Not the same for all outputs, and what is not zero for all gradients.
    let loss = graph.addNode(
      "ReduceSum", [graph.addNode("Mul", [y, graph.addNode("Sigmoid", [y])])],
      attributes: ["keepdims": .int(0)])
    graph.outputs = [loss]
    try graph.inferTypes()
    let targets = [x, first, second]
    let gradients = try GradientPass.append(to: &graph, loss: loss, targets: targets)
    graph.outputs = try targets.map { try #require(gradients[$0]) }
    var plain = Executable.Options()
    plain.optimizes = false
    let input = try tensor(shape, seed: 3)
    let lowered = try Executable(graph)
    let expected = try Session(Executable(graph, options: plain)).run([input])
    for (found, expected) in zip(try Session(lowered).run([input]), expected) {
      #expect(found.shape == expected.shape)
      let (left, right) = (
        try found.elements(as: Float.self), try expected.elements(as: Float.self)
      )
      let largest = right.map(abs).max() ?? 0
      #expect(largest > 0)
      // Transforms of Winograd's method round more than sums do.
      let difference = zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(difference <= 5e-5 * largest, "\(difference / largest)")
    }
    let operators = lowered.graph.nodes.map(\.operatorType)
    #expect(operators.contains(example.operatorType))
    let fallback = "ConvolutionInputGradient"
    #expect(operators.contains(fallback) == (example.operatorType == fallback))
  }
}
