import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftRuntime
import GraftTensor
import Testing

/// The lanes that fill up the last block of channels stay finite, whatever operators make of 0: a
/// convolution after them computes what it computes without blocks.
@Suite struct PaddingLaneTests {
  /// Operators between convolutions of as many channels.
  private struct Network {
    var graph = Graph(name: "test")
    let x: ValueID
    let channels: Int

    init(channels: Int, extent: Int = 6) {
      self.channels = channels
      x = graph.addInput(
        name: "x",
        type: TensorType(.float, [2, .known(channels), .known(extent), .known(extent)]))
    }

    /// A convolution with results near a number, or exactly this number.
    mutating func convolution(
      _ input: ValueID, near bias: Float, from: Int? = nil, to: Int? = nil, isExact: Bool = false
    ) throws -> ValueID {
      let (from, to) = (from ?? channels, to ?? channels)
      let weights = (0..<to * from).map { isExact ? 0 : Float($0 * 7919 % 101) / 10_000 }
      return graph.addNode(
        "Conv",
        [
          input, graph.addConstant(try Tensor(weights, shape: [to, from, 1, 1])),
          graph.addConstant(try Tensor([Float](repeating: bias, count: to), shape: [to])),
        ])
    }

    /// The outputs of the lowered graph, and those of the plain one; and the lowered operators.
    func outputs() throws -> (found: [[Float]], expected: [[Float]], operators: [String]) {
      let shape = graph[x].type?.tensor?.shape?.compactMap(\.known) ?? []
      let values = (0..<shape.elementCount).map { Float($0 * 7919 % 2003) / 1001 - 1 }
      let input = try Tensor(values, shape: shape)
      var plain = Executable.Options()
      plain.optimizes = false
      let executables = try [Executable(graph), Executable(graph, options: plain)]
      let outputs = try executables.map { executable in
        try Session(executable).run([input]).map { try $0.elements(as: Float.self) }
      }
      return (outputs[0], outputs[1], executables[0].graph.nodes.map(\.operatorType))
    }

    /// Expects a last convolution to compute finite numbers, those of the plain graph.
    ///
    /// - Returns: the operators before it
    mutating func operators(before value: ValueID, channels: Int? = nil) throws -> [String] {
      graph.outputs = [try convolution(value, near: 0, from: channels)]
      let (found, expected, operators) = try outputs()
      #expect(found[0].count == expected[0].count)
      for (found, expected) in zip(found[0], expected[0]) {
        #expect(expected.isFinite && abs(found - expected) <= 1e-4 * max(1, abs(expected)))
      }
      return operators.dropLast(2).filter { $0 != "ToBlocked" }
    }
  }

  struct Chain: Sendable, CustomTestStringConvertible {
    /// What the convolution before it computes, approximately.
    let start: Float
    let steps: [String]
    var attributes: [String: [ByteString: Attribute]] = [:]
    /// What the steps are in the lowered graph.
    let lowered: [String]

    var testDescription: String { steps.joined(separator: ", ") }
  }

  private static let clearing = "BlockedChannelShuffle"

  private static let chains = [
    Chain(start: 1.5, steps: ["Cos", "Atanh"], lowered: ["Cos", clearing, "Atanh"]),
    Chain(start: 0.5, steps: ["Exp", "Log"], lowered: ["FusedElementwise"]),
    Chain(
      start: -9, steps: ["Exp", "Exp", "Exp", "Exp", "Exp"],
      lowered: ["FusedElementwise", clearing, "Exp"]),
    Chain(start: 1, steps: ["Cos", "Reciprocal"], lowered: ["Cos", "Reciprocal"]),
    Chain(start: 9, steps: ["Exp"], lowered: ["Exp"]),
    Chain(
      start: 1.5, steps: ["Cos", "AveragePool", "Atanh"],
      attributes: ["AveragePool": ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])]],
      lowered: ["Cos", "BlockedAveragePool", clearing, "Atanh"]),
    Chain(
      start: 1.5, steps: ["Cos", "MaxPool", "Atanh"],
      attributes: ["MaxPool": ["kernel_shape": .ints([2, 2])]],
      lowered: ["Cos", "BlockedMaxPool", clearing, "Atanh"]),
    Chain(
      start: 1.5, steps: ["Cos", "LRN", "Atanh"], attributes: ["LRN": ["size": .int(3)]],
      lowered: ["Cos", clearing, "BlockedLRN", "Atanh"]),
    // 0 / 0 in the lanes
    Chain(
      start: 1.5, steps: ["LRN"],
      attributes: ["LRN": ["size": .int(3), "bias": .float(0), "alpha": .float(1)]],
      lowered: ["FromBlocked", "LRN"]),
    Chain(start: 9, steps: ["Log"], lowered: ["FromBlocked", "Log"]),
    Chain(start: 9, steps: ["Reciprocal"], lowered: ["FromBlocked", "Reciprocal"]),
    Chain(start: 9, steps: ["Acosh"], lowered: ["FromBlocked", "Acosh"]),
  ]

  @Test(arguments: chains, [3, 20])
  func chainsStayFinite(_ chain: Chain, _ channels: Int) throws {
    var network = Network(channels: channels)
    var value = try network.convolution(network.x, near: chain.start)
    for step in chain.steps {
      value = network.graph.addNode(step, [value], attributes: chain.attributes[step] ?? [:])
    }
    #expect(try network.operators(before: value) == ["BlockedConv"] + chain.lowered)
  }

  /// Whole blocks have no such lanes.
  @Test func wholeBlocksAreLeftAlone() throws {
    var network = Network(channels: 32)
    let first = try network.convolution(network.x, near: 1.5)
    let value = network.graph.addNode("Atanh", [network.graph.addNode("Cos", [first])])
    #expect(try network.operators(before: value) == ["BlockedConv", "Cos", "Atanh"])
  }

  @Test(arguments: [3, 20])
  func residualsKeepTheirLanes(_ channels: Int) throws {
    var network = Network(channels: channels)
    let cosine = network.graph.addNode(
      "Cos", [try network.convolution(network.x, near: 1.5)])
    let sum = network.graph.addNode(
      "Add", [try network.convolution(network.x, near: 0.1), cosine])
    let operators = try network.operators(before: network.graph.addNode("Atanh", [sum]))
    #expect(operators.suffix(3) == ["BlockedConv", Self.clearing, "Atanh"])
  }

  @Test func partsKeepTheirLanes() throws {
    var network = Network(channels: 20)
    let cosine = network.graph.addNode(
      "Cos", [try network.convolution(network.x, near: 1.5)])
    let whole = try network.convolution(network.x, near: 0.5, to: 32)
    let joined = network.graph.addNode(
      "Concat", [whole, cosine], attributes: ["axis": .int(1)])
    let sizes = network.graph.addConstant(try Tensor([32, 20] as [Int64], shape: [2]))
    let parts = network.graph.addNode(
      "Split", [joined, sizes], attributes: ["axis": .int(1)], outputCount: 2)
    let operators = try network.operators(before: network.graph.addNode("Atanh", [parts[1]]))
    #expect(operators.suffix(4) == ["Concat", "Split", Self.clearing, "Atanh"])
  }

  // MARK: - Pairs of operators

  /// An elementwise operator of floats, whose operands are one value, or also constants.
  struct Step: Sendable, CustomTestStringConvertible {
    let subject: OperatorMemberTests.Subject
    let hasConstants: Bool
    var testDescription: String {
      subject.testDescription + (hasConstants ? " with a constant" : "")
    }

    func append(to graph: inout Graph, _ value: ValueID, channels: Int) throws -> ValueID {
      let constant = try Tensor(
        (0..<channels).map { 0.5 + Float($0) / 4 }, shape: [1, channels, 1, 1])
      let inputs = subject.example.inputs.enumerated().map { index, tensor -> ValueID? in
        guard index < subject.operandCount else { return tensor.map { graph.addConstant($0) } }
        return index > 0 && hasConstants ? graph.addConstant(constant) : value
      }
      let output = graph.addValue()
      graph.nodes.append(subject.node(inputs, output))
      return output
    }
  }

  private static let steps = OperatorMemberTests.elementwise.flatMap { subject -> [Step] in
    let tensors = subject.example.inputs.prefix(subject.operandCount) + [subject.example.outputs[0]]
    guard tensors.allSatisfy({ $0?.elementType == .float }) else { return [] }
    // Gradients do not broadcast their operands.
    let takesConstants =
      subject.operandCount > 1 && subject.type.schema.domain.isEmpty
      && subject.type.schema.name != "SwiGLU"
    return (takesConstants ? [false, true] : [false]).map {
      Step(subject: subject, hasConstants: $0)
    }
  }

  @Test(arguments: steps)
  func pairsStayFinite(_ first: Step) throws {
    let channels = 3
    var comparisonCount = 0
    for start in [0.3, 2.1, -0.7] as [Float] {
      var network = Network(channels: channels, extent: 1)
      let value = try first.append(
        to: &network.graph, network.convolution(network.x, near: start, isExact: true),
        channels: channels)
      for second in Self.steps {
        let result = try second.append(to: &network.graph, value, channels: channels)
        network.graph.outputs.append(try network.convolution(result, near: 0))
      }
      try network.graph.inferTypes()
      let (found, expected, _) = try network.outputs()
      for (index, second) in Self.steps.enumerated() {
        for (found, expected) in zip(found[index], expected[index]) where expected.isFinite {
          comparisonCount += 1
          #expect(
            abs(found - expected) <= 1e-4 * max(1, abs(expected)),
            "\(second.testDescription) from \(start): \(found), not \(expected)")
        }
      }
    }
    #expect(comparisonCount > 0)
  }
}
