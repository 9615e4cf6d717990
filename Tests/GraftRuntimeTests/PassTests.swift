import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Each pass on a graph made for it: what is left of the graph, and that it computes the same.
@Suite struct PassTests {
  /// A graph with one input `x` `[N, 4, 6, 6]`.
  private struct Fixture {
    var graph = Graph(name: "fixture")
    let x: ValueID
    private var generator = Generator(seed: 3)

    init() {
      x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 4, 6, 6]))
    }

    mutating func random(_ shape: Shape, from low: Float = -1, to high: Float = 1) throws -> Tensor
    {
      let values = (0..<shape.elementCount).map { _ in
        Float.random(in: low...high, using: &generator)
      }
      return try Tensor(values, shape: shape)
    }

    mutating func constant(_ shape: Shape, from low: Float = -1, to high: Float = 1) throws
      -> ValueID
    {
      graph.addConstant(try random(shape, from: low, to: high))
    }

    mutating func convolution(_ input: ValueID, hasBias: Bool = true) throws -> ValueID {
      let weights = try constant([4, 4, 3, 3])
      let bias = hasBias ? try constant([4]) : nil
      return graph.addNode(
        "Conv", [input, weights, bias], attributes: ["pads": .ints([1, 1, 1, 1])])
    }

    /// Runs the graph as it is and lowered; returns the lowered graph's operators in order.
    mutating func operatorsAfterComparing(_ outputs: [ValueID]) throws -> [String] {
      graph.outputs = outputs
      var plain = Executable.Options()
      plain.optimizes = false
      let reference = Session(try Executable(graph, options: plain))
      let lowered = try Executable(graph)
      let input = try random([2, 4, 6, 6])
      let (results, expected) = (try Session(lowered).run([input]), try reference.run([input]))
      try #require(results.count == expected.count)
      for (a, b) in zip(results, expected) {
        try #require(a.shape == b.shape)
        for (left, right) in zip(try a.elements(as: Float.self), try b.elements(as: Float.self)) {
          #expect(abs(left - right) <= 1e-4 * max(1, abs(right)))
        }
      }
      var fused = graph
      try fused.inferTypes()
      try Lowering.fuse(&fused)
      return fused.nodes.map(\.operatorType)
    }
  }

  @Test(arguments: [true, false])
  func batchNormalizationFoldsIntoConvolution(hasBias: Bool) throws {
    var fixture = Fixture()
    let convolved = try fixture.convolution(fixture.x, hasBias: hasBias)
    let scale = try fixture.constant([4])
    let shift = try fixture.constant([4])
    let mean = try fixture.constant([4])
    let variance = try fixture.constant([4], from: 0.5, to: 2)
    let normalized = fixture.graph.addNode(
      "BatchNormalization", [convolved, scale, shift, mean, variance])
    let activated = fixture.graph.addNode("Relu", [normalized])
    #expect(try fixture.operatorsAfterComparing([activated]) == ["FusedConv"])
  }

  @Test func normalizationThatIsReadElsewhereStays() throws {
    var fixture = Fixture()
    let convolved = try fixture.convolution(fixture.x)
    let statistics = try (0..<3).map { _ in try fixture.constant([4]) }
    let variance = try fixture.constant([4], from: 0.5, to: 2)
    let normalized = fixture.graph.addNode(
      "BatchNormalization", [convolved] + statistics + [variance])
    let operators = try fixture.operatorsAfterComparing([normalized, convolved])
    #expect(operators == ["Conv", "BatchNormalization"])
  }

  @Test func padMovesIntoConvolution() throws {
    var fixture = Fixture()
    let pads = fixture.graph.addConstant(
      try Tensor([0, 0, 1, 2, 0, 0, 0, 1] as [Int64], shape: [8]))
    let padded = fixture.graph.addNode("Pad", [fixture.x, pads])
    let convolved = try fixture.convolution(padded)
    #expect(try fixture.operatorsAfterComparing([convolved]) == ["Conv"])
  }

  @Test func padByAnotherValueStays() throws {
    var fixture = Fixture()
    let pads = fixture.graph.addConstant(
      try Tensor([0, 0, 1, 1, 0, 0, 1, 1] as [Int64], shape: [8]))
    let value = fixture.graph.addConstant(try Tensor(scalar: Float(2)))
    let padded = fixture.graph.addNode("Pad", [fixture.x, pads, value])
    let convolved = try fixture.convolution(padded)
    #expect(try fixture.operatorsAfterComparing([convolved]) == ["Pad", "Conv"])
  }

  @Test func residualBlockIsTwoConvolutions() throws {
    var fixture = Fixture()
    let first = fixture.graph.addNode("Relu", [try fixture.convolution(fixture.x)])
    let second = try fixture.convolution(first)
    let sum = fixture.graph.addNode("Add", [fixture.x, second])
    let activated = fixture.graph.addNode("LeakyRelu", [sum], attributes: ["alpha": .float(0.2)])
    #expect(try fixture.operatorsAfterComparing([activated]) == ["FusedConv", "FusedConv"])
  }

  @Test func activationThatIsReadTwiceIsFusedOnce() throws {
    var fixture = Fixture()
    let activated = fixture.graph.addNode("Relu", [try fixture.convolution(fixture.x)])
    let left = fixture.graph.addNode("Exp", [activated])
    let right = fixture.graph.addNode("Neg", [activated])
    #expect(try fixture.operatorsAfterComparing([left, right]) == ["FusedConv", "Exp", "Neg"])
  }

  @Test func spelledOutOperatorsAreRecognised() throws {
    var fixture = Fixture()
    let flat = fixture.graph.addNode("Flatten", [fixture.x])
    let product = fixture.graph.addNode("MatMul", [flat, try fixture.constant([144, 5])])
    let biased = fixture.graph.addNode("Add", [try fixture.constant([5]), product])
    let gate = fixture.graph.addNode("Sigmoid", [biased])
    let gated = fixture.graph.addNode("Mul", [biased, gate])
    #expect(try fixture.operatorsAfterComparing([gated]) == ["Flatten", "FusedGemm"])
  }

  @Test func identitiesCancelAndCommonWorkIsDoneOnce() throws {
    var fixture = Fixture()
    let there: [ByteString: Attribute] = ["perm": .ints([0, 2, 3, 1])]
    let back: [ByteString: Attribute] = ["perm": .ints([0, 3, 1, 2])]
    let moved = fixture.graph.addNode("Transpose", [fixture.x], attributes: there)
    let returned = fixture.graph.addNode("Transpose", [moved], attributes: back)
    let dropped = fixture.graph.addNode("Dropout", [returned])
    let left = fixture.graph.addNode("Exp", [dropped])
    let right = fixture.graph.addNode("Exp", [fixture.graph.addNode("Identity", [fixture.x])])
    let sum = fixture.graph.addNode("Add", [left, right])
    _ = fixture.graph.addNode("Neg", [left])
    #expect(try fixture.operatorsAfterComparing([sum]) == ["Exp", "Add"])
  }

  /// A channels-last network: every convolution between two Transposes, biases along the last axis.
  @Test func channelsLastNetworkLosesItsTransposes() throws {
    var fixture = Fixture()
    let toLast: [ByteString: Attribute] = ["perm": .ints([0, 2, 3, 1])]
    let toFirst: [ByteString: Attribute] = ["perm": .ints([0, 3, 1, 2])]
    let convolved = try fixture.convolution(fixture.x, hasBias: false)
    var value = fixture.graph.addNode("Transpose", [convolved], attributes: toLast)
    value = fixture.graph.addNode("Add", [try fixture.constant([4]), value])
    value = fixture.graph.addNode("Mul", [value, try fixture.constant([6, 1, 4])])
    value = fixture.graph.addNode("LeakyRelu", [value])
    value = fixture.graph.addNode("Transpose", [value], attributes: toFirst)
    value = try fixture.convolution(value)
    let operators = try fixture.operatorsAfterComparing([value])
    #expect(operators == ["Conv", "Mul", "LeakyRelu", "Conv"])
  }

  /// However long a chain is, one round of the passes brings its Transposes together.
  @Test(arguments: [64, 65, 600])
  func transposesOfALongChainBecomeOne(_ count: Int) throws {
    var fixture = Fixture()
    var value = fixture.x
    for _ in 0..<count {
      value = fixture.graph.addNode(
        "Transpose", [value], attributes: ["perm": .ints([0, 2, 3, 1])])
      value = fixture.graph.addNode("LeakyRelu", [value])
    }
    let operators = try fixture.operatorsAfterComparing([value])
    #expect(operators.filter { $0 == "LeakyRelu" }.count == count)
    #expect(operators.filter { $0 == "Transpose" }.count == (count % 3 == 0 ? 0 : 1))
  }

  /// Nodes folded into one again and again leave one set of constants, with short names.
  @Test func foldingAChainKeepsNothingOfItsSteps() throws {
    for isNormalization in [true, false] {
      var fixture = Fixture()
      var value = try fixture.convolution(fixture.x)
      if isNormalization {
        let statistics = try (0..<4).map { _ in try fixture.constant([4], from: 0.5, to: 1) }
        value = fixture.graph.addNode("BatchNormalization", [fixture.x] + statistics)
      }
      let one = fixture.graph.addConstant(
        name: "one", try Tensor([Float](repeating: 1, count: 4), shape: [4, 1, 1]))
      for _ in 0..<300 { value = fixture.graph.addNode("Mul", [value, one]) }
      let operators = try fixture.operatorsAfterComparing([value])
      #expect(operators == [isNormalization ? "BatchNormalization" : "Conv"])
      var graph = fixture.graph
      try graph.inferTypes()
      try Lowering.fuse(&graph)
      #expect(graph.constants.count <= 4)
      #expect(graph.constants.keys.allSatisfy { graph[$0].name.utf8.count < 60 })
    }
  }

  @Test func usesAreReplacedThroughLongChains() throws {
    var fixture = Fixture()
    var value = fixture.x
    var sums: [ValueID] = []
    for _ in 0..<300 {
      value = fixture.graph.addNode("Identity", [value])
      sums.append(fixture.graph.addNode("Relu", [value]))
    }
    let sum = fixture.graph.addNode("Sum", sums)
    #expect(try fixture.operatorsAfterComparing([sum]) == ["Relu", "Sum"])
  }

  @Test func transposesOfDifferentKindsStay() throws {
    var fixture = Fixture()
    let left = fixture.graph.addNode(
      "Transpose", [fixture.x], attributes: ["perm": .ints([0, 1, 3, 2])])
    let right = fixture.graph.addNode("Exp", [fixture.x])
    let sum = fixture.graph.addNode("Add", [left, right])
    #expect(try fixture.operatorsAfterComparing([sum]) == ["Transpose", "Exp", "Add"])
  }

  @Test func constantsFold() throws {
    var fixture = Fixture()
    let factor = fixture.graph.addNode("Exp", [try fixture.constant([1])])
    let scaled = fixture.graph.addNode("Mul", [fixture.x, factor])
    #expect(try fixture.operatorsAfterComparing([scaled]) == ["Mul"])
  }

  /// A model exported for one batch size, its Reshape included, runs for others.
  @Test func fixedBatchBecomesFree() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2, 4]))
    let target = graph.addConstant(try Tensor([2, 2, 2] as [Int64], shape: [3]))
    graph.outputs = [graph.addNode("Relu", [graph.addNode("Reshape", [x, target])])]
    expectError(.usage, "'x'") {
      try Session(Executable(graph)).run([try Tensor(zeros: .float, shape: [3, 4])])
    }
    let session = Session(try Executable(graph.withFreeBatch()))
    for batch in [1, 2, 5] {
      let output = try session.run([try Tensor(zeros: .float, shape: [batch, 4])])[0]
      #expect(output.shape == [batch, 2, 2])
    }
  }
}
