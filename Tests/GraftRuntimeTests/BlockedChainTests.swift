import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import Testing

/// Operators of the channels-blocked layout in a session, where they work in place.
@Suite struct BlockedChainTests {
  private static let channels = 20

  /// x · scale + shift, Relu, LRN, and a depthwise convolution with a pool as its residual.
  private func graph(isBlocked: Bool) throws -> Graph {
    var graph = Graph(name: "chain")
    let channels = Self.channels
    let x = graph.addInput(
      name: "x", type: TensorType(.float, [.symbol("N"), .known(channels), 9, 11]))
    let vector = (0..<channels).map { Float($0 % 5) / 4 - 0.25 }
    func constant(_ shape: Shape) throws -> ValueID {
      graph.addConstant(try Tensor(vector, shape: shape))
    }
    let weights = graph.addConstant(
      try Tensor(
        (0..<channels * 9).map { Float($0 % 7) / 3 - 1 }, shape: [channels, 1, 3, 3]))
    let response: [ByteString: Attribute] = ["size": .int(5), "alpha": .float(0.5)]
    let window: [ByteString: Attribute] = [
      "kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]),
    ]
    let convolution: [ByteString: Attribute] = [
      "group": .int(channels), "pads": .ints([1, 1, 1, 1]), "activation": .string("HardSwish"),
    ]
    guard isBlocked else {
      let column = [channels, 1, 1]
      let scaled = graph.addNode("Mul", [x, try constant(column)])
      let shifted = graph.addNode("Relu", [graph.addNode("Add", [scaled, try constant(column)])])
      let normal = graph.addNode("LRN", [shifted], attributes: response)
      let pooled = graph.addNode("MaxPool", [normal], attributes: window)
      graph.outputs = [
        graph.addNode(
          "FusedConv", domain: "graft", [normal, weights, try constant([channels]), pooled],
          attributes: convolution, outputName: "y")
      ]
      return graph
    }
    func add(
      _ type: String, _ inputs: [ValueID], _ attributes: [ByteString: Attribute] = [:]
    ) -> ValueID {
      graph.addNode(type, domain: "graft", inputs, attributes: attributes)
    }
    let affine = add(
      "BlockedAffine",
      [add("ToBlocked", [x]), try constant([channels]), try constant([channels])],
      ["activation": .string("Relu")])
    let normal = add(
      "BlockedLRN", [affine], response.merging(["channels": .int(channels)]) { $1 })
    let pooled = add("BlockedMaxPool", [normal], window)
    let result = add(
      "BlockedDepthwiseConv", [normal, weights, try constant([channels]), pooled], convolution)
    graph.outputs = [add("FromBlocked", [result], ["channels": .int(channels)])]
    return graph
  }

  @Test func chainAgreesWithItsPlainForm() throws {
    var options = Executable.Options()
    options.optimizes = false
    for batch in [1, 3] {
      let count = batch * Self.channels * 99
      let x = try Tensor(
        (0..<count).map { Float(($0 * 7) % 31) / 15 - 1 }, shape: [batch, Self.channels, 9, 11])
      let outputs = try [true, false].map { isBlocked in
        let executable = try Executable(graph(isBlocked: isBlocked), options: options)
        return try Session(executable).run([x])[0].elements(as: Float.self)
      }
      try #require(outputs[0].count == outputs[1].count)
      for (found, expected) in zip(outputs[0], outputs[1]) {
        #expect(abs(found - expected) <= 1e-5 * max(1, abs(expected)))
      }
    }
  }
}
