import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import Testing

/// Networks that the layout pass takes to blocks of 16 channels: what is left of them, and that
/// they compute the same.
@Suite struct BlockedLayoutPassTests {
  private struct Fixture {
    var graph = Graph(name: "test")
    let x: ValueID

    init(channels: Int = 20) {
      x = graph.addInput(
        name: "x", type: TensorType(.float, [.known(2), .known(channels), .known(12), .known(11)]))
    }

    mutating func constant(_ shape: Shape, from: Float = -0.5, to: Float = 0.5) throws -> ValueID {
      let count = shape.reduce(1, *)
      let values = (0..<count).map { index in
        from + (to - from) * Float((index * 7919 + graph.values.count * 104_729) % 1009) / 1008
      }
      return graph.addConstant(try Tensor(values, shape: shape))
    }

    mutating func convolution(
      _ input: ValueID, _ channels: Int, _ rows: Int, kernel: Int = 3, groups: Int = 1,
      strides: [Int] = [1, 1]
    ) throws -> ValueID {
      let weights = try constant([rows, channels / groups, kernel, kernel])
      let bias = try constant([rows])
      let pad = kernel / 2
      return graph.addNode(
        "Conv", [input, weights, bias],
        attributes: [
          "pads": .ints([pad, pad, pad, pad]), "group": .int(groups), "strides": .ints(strides),
        ])
    }

    /// Compares the lowered graph with the plain one; returns its operators.
    mutating func operatorsAfterComparing(_ outputs: [ValueID]) throws -> [String] {
      graph.outputs = outputs
      var plain = Executable.Options()
      plain.optimizes = false
      let reference = Session(try Executable(graph, options: plain))
      let lowered = try Executable(graph)
      let shape = graph[x].type?.tensor?.shape?.compactMap(\.known) ?? []
      let values = (0..<shape.reduce(1, *)).map { Float(($0 * 7919) % 2003) / 1001 - 1 }
      let input = try Tensor(values, shape: shape)
      for (a, b) in zip(try Session(lowered).run([input]), try reference.run([input])) {
        #expect(a.shape == b.shape)
        let (left, right) = (try a.elements(as: Float.self), try b.elements(as: Float.self))
        let largest = right.map(abs).max() ?? 0
        #expect(zip(left, right).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, largest) })
      }
      return lowered.graph.nodes.map(\.operatorType)
    }
  }

  @Test func layoutChangesOnlyAtTheEnds() throws {
    var fixture = Fixture(channels: 3)
    var value = try fixture.convolution(fixture.x, 3, 32, kernel: 5, strides: [2, 2])
    value = fixture.graph.addNode("Relu", [value])
    let residual = value
    value = try fixture.convolution(value, 32, 32, groups: 32)
    value = fixture.graph.addNode("Clip", [value])
    value = try fixture.convolution(value, 32, 32, kernel: 1)
    value = fixture.graph.addNode("Add", [value, residual])
    let other = fixture.graph.addNode(
      "AveragePool", [value],
      attributes: ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])])
    value = fixture.graph.addNode("Concat", [value, other], attributes: ["axis": .int(1)])
    value = fixture.graph.addNode("LRN", [value], attributes: ["size": .int(5)])
    value = fixture.graph.addNode("GlobalAveragePool", [value])
    value = fixture.graph.addNode("Flatten", [value])
    #expect(
      try fixture.operatorsAfterComparing([value]) == [
        "BlockedConv", "BlockedDepthwiseConv", "BlockedConv", "BlockedAveragePool", "Concat",
        "BlockedLRN", "BlockedGlobalAveragePool", "FromBlocked", "Flatten",
      ])
  }

  @Test func poolOfSquaresMovesIntoConvolution() throws {
    var fixture = Fixture()
    var value = try fixture.convolution(fixture.x, 20, 40)
    value = fixture.graph.addNode("Relu", [value])
    value = fixture.graph.addNode(
      "MaxPool", [value], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    #expect(
      try fixture.operatorsAfterComparing([value]) == ["ToBlocked", "BlockedConv", "FromBlocked"])
  }

  @Test func poolOfWhatOthersReadStays() throws {
    var fixture = Fixture()
    let convolved = try fixture.convolution(fixture.x, 20, 40)
    let pooled = fixture.graph.addNode(
      "MaxPool", [convolved],
      attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    #expect(
      try fixture.operatorsAfterComparing([convolved, pooled]) == [
        "ToBlocked", "BlockedConv", "BlockedMaxPool", "FromBlocked", "FromBlocked",
      ])
  }

  @Test func normalizationOfWhatOthersReadIsAffine() throws {
    var fixture = Fixture()
    let convolved = try fixture.convolution(fixture.x, 20, 40)
    let statistics = try (0..<3).map { _ in try fixture.constant([40]) }
    let variance = try fixture.constant([40], from: 0.5, to: 2)
    var value = fixture.graph.addNode("BatchNormalization", [convolved] + statistics + [variance])
    value = fixture.graph.addNode("Mul", [value, try fixture.constant([40, 1, 1])])
    value = fixture.graph.addNode("Relu", [value])
    value = fixture.graph.addNode("Sub", [value, try fixture.constant([1, 40, 1, 1])])
    value = fixture.graph.addNode("Add", [value, convolved])
    #expect(
      try fixture.operatorsAfterComparing([value]) == [
        "ToBlocked", "BlockedConv", "BlockedAffine", "FusedElementwise", "FromBlocked",
      ])
  }

  @Test func channelShuffleStaysInBlocks() throws {
    var fixture = Fixture()
    var value = try fixture.convolution(fixture.x, 20, 60, kernel: 1)
    func shape(_ extents: [Int64]) throws -> ValueID {
      fixture.graph.addConstant(try Tensor(extents, shape: [extents.count]))
    }
    value = fixture.graph.addNode("Reshape", [value, try shape([2, 3, 20, 12, 11])])
    value = fixture.graph.addNode(
      "Transpose", [value], attributes: ["perm": .ints([0, 2, 1, 3, 4])])
    value = fixture.graph.addNode("Reshape", [value, try shape([2, 60, 12, 11])])
    value = try fixture.convolution(value, 60, 60, groups: 60)
    value = try fixture.convolution(value, 60, 66, kernel: 1, groups: 3)
    #expect(
      try fixture.operatorsAfterComparing([value]) == [
        "ToBlocked", "BlockedConv", "BlockedChannelShuffle", "BlockedDepthwiseConv", "BlockedConv",
        "FromBlocked",
      ])
  }

  @Test func partsOfWholeBlocksAreSplit() throws {
    func operators(_ sizes: [Int64]) throws -> [String] {
      var fixture = Fixture()
      let value = try fixture.convolution(fixture.x, 20, 52)
      let split = fixture.graph.addConstant(try Tensor(sizes, shape: [sizes.count]))
      let parts = fixture.graph.addNode(
        "Split", [value, split], attributes: ["axis": .int(1)], outputCount: sizes.count)
      return try fixture.operatorsAfterComparing(parts)
    }
    #expect(
      try operators([32, 20]) == [
        "ToBlocked", "BlockedConv", "Split", "FromBlocked", "FromBlocked",
      ])
    #expect(try operators([20, 32]) == ["ToBlocked", "BlockedConv", "FromBlocked", "Split"])
  }

  @Test func channelsThatFillNoBlocksAreNotConcatenated() throws {
    var fixture = Fixture()
    let left = try fixture.convolution(fixture.x, 20, 24)
    let right = try fixture.convolution(fixture.x, 20, 16)
    let joined = fixture.graph.addNode("Concat", [left, right], attributes: ["axis": .int(1)])
    let operators = try fixture.operatorsAfterComparing([joined])
    #expect(operators.filter { $0 == "FromBlocked" }.count == 2)
    #expect(operators.last == "Concat")
  }
}
