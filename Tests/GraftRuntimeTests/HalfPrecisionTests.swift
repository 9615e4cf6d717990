import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor
import Testing

/// Networks in half precision, lowered to float kernels whose results are rounded, against the same
/// node by node.
@Suite struct HalfPrecisionTests {
  private func run(_ graph: Graph, optimizes: Bool, _ inputs: [Tensor]) throws -> [Tensor] {
    var options = Executable.Options()
    options.optimizes = optimizes
    return try Session(try Executable(graph, options: options)).run(inputs)
  }

  private func floats(_ tensor: Tensor) throws -> [Float] {
    try tensor.converted(to: .float).elements()
  }

  @Test func networksTakeTheKernelsOfFloats() throws {
    let graph = try ConvolutionNetwork.graph().withHalfPrecision()
    let lowered = try Executable(graph).graph
    let blocked = lowered.nodes.filter { $0.operatorType.hasPrefix("Blocked") }
    #expect(blocked.map(\.operatorType).contains("BlockedDepthwiseConv"))
    for node in blocked where node.operatorType.hasSuffix("Conv") {
      #expect(node.attributes["rounded_to"] != nil, "\(node.operatorType)")
    }
    // Softmax computes in half precision by its definition; the only conversions are before and
    // after it.
    #expect(lowered.nodes.filter { $0.operatorType == "Cast" }.count == 2)
    #expect(
      lowered.constants.values.allSatisfy { $0.elementType != .float16 }, "weights are converted")
  }

  @Test func networksComputeTheSame() throws {
    let graph = try ConvolutionNetwork.graph().withHalfPrecision()
    for shape in [[1, 3, 12, 12], [2, 3, 31, 22]] as [Shape] {
      let input = try ConvolutionNetwork.input(shape)
      let plain = try floats(run(graph, optimizes: false, [input])[0])
      let fast = try floats(run(graph, optimizes: true, [input])[0])
      for (a, b) in zip(plain, fast) { #expect(abs(a - b) <= 0x1p-9 * abs(a) + 0x1p-23) }
    }
  }

  /// Each node's result is rounded, not the last one's alone: these are equal to the bit.
  @Test(arguments: [ElementType.float16, .bfloat16])
  func elementsAreRoundedByEachNode(_ type: ElementType) throws {
    let shape = [2, 20, 6, 7]
    let input = try ConvolutionNetwork.input(shape).converted(to: type)
    func constant(_ values: [Float], _ graph: inout Graph) throws -> ValueID {
      graph.addConstant(
        try Tensor(values, shape: values.count == 1 ? [] : [values.count, 1, 1]).converted(to: type)
      )
    }
    let unary = [
      "Abs", "Ceil", "Celu", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
      "LeakyRelu", "Mish", "Neg", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus",
      "Softsign", "Swish", "Tanh", "Transpose", "GlobalAveragePool", "GlobalMaxPool",
    ]
    for name in unary {
      var graph = Graph(name: name)
      let x = graph.addInput(name: "x", type: TensorType(type, [Dimension](shape)))
      let third = try constant([1 / 3], &graph)
      let channels = try constant((0..<20).map { Float($0) / 7 - 1 }, &graph)
      let scaled = graph.addNode("Mul", [graph.addNode("Add", [x, third]), channels])
      let middle = graph.addNode(name, [scaled])
      let exponential = graph.addNode("Exp", [middle])
      graph.outputs = [middle, graph.addNode("Sub", [exponential, third])]
      let plain = try run(graph, optimizes: false, [input])
      let fast = try run(graph, optimizes: true, [input])
      for (a, b) in zip(plain, fast) {
        #expect(a.elementType == type && b.elementType == type && a.shape == b.shape)
        let isSame = a.withUnsafeBytes { a in b.withUnsafeBytes { a.elementsEqual($0) } }
        #expect(isSame, "\(name)")
      }
    }
  }

  /// What other nodes read of a convolution is rounded: near 1, the difference from 1 is exact
  /// then.
  @Test func convolutionsAreRounded() throws {
    for (kernel, strides) in [(1, 1), (3, 1), (3, 2)] {
      var graph = Graph(name: "rounded")
      let x = graph.addInput(
        name: "x", type: TensorType(.float16, [.known(1), .known(20), .known(30), .known(30)]))
      let count = 32 * 20 * kernel * kernel
      let weights = graph.addConstant(
        try Tensor(
          (0..<count).map { Float(($0 * 7919) % 1009) / 1008 / Float(10 * kernel * kernel) },
          shape: [32, 20, kernel, kernel]
        ).converted(to: .float16))
      let bias = graph.addConstant(
        try Tensor([Float](repeating: 1, count: 32), shape: [32]).converted(to: .float16))
      let y = graph.addNode(
        "Conv", [x, weights, bias], attributes: ["strides": .ints([strides, strides])])
      let relu = graph.addNode("Relu", [y])
      let one = graph.addConstant(try Tensor([Float(1)], shape: []).converted(to: .float16))
      graph.outputs = [relu, graph.addNode("Sub", [relu, one])]
      let input = try ConvolutionNetwork.input([1, 20, 30, 30]).converted(to: .float16)
      let outputs = try run(graph, optimizes: true, [input])
      let (sums, differences) = (try floats(outputs[0]), try floats(outputs[1]))
      var checked = 0
      for (sum, difference) in zip(sums, differences) where sum >= 0.5 && sum <= 2 {
        #expect(difference == sum - 1)
        checked += 1
      }
      #expect(checked > sums.count / 2)
    }
  }
}
