import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// The lanes that fill up the last block of channels never affect others, whatever operators make
/// of them: a convolution after them computes what it computes without blocks.
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

    var testDescription: String { steps.joined(separator: ", ") }
  }

  private static let chains = [
    Chain(start: 1.5, steps: ["Cos", "Atanh"]),
    Chain(start: 0.5, steps: ["Exp", "Log"]),
    Chain(start: -9, steps: ["Exp", "Exp", "Exp", "Exp", "Exp"]),
    Chain(start: 1, steps: ["Cos", "Reciprocal"]),
    Chain(
      start: 1.5, steps: ["Cos", "AveragePool", "Atanh"],
      attributes: ["AveragePool": ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])]]),
    Chain(
      start: 1.5, steps: ["Cos", "MaxPool", "Atanh"],
      attributes: ["MaxPool": ["kernel_shape": .ints([2, 2])]]),
    // -infinity in the lanes
    Chain(
      start: 9, steps: ["Log", "MaxPool", "Sigmoid"],
      attributes: ["MaxPool": ["kernel_shape": .ints([2, 2])]]),
    // 0 / 0 in the lanes
    Chain(
      start: 1.5, steps: ["LRN"],
      attributes: ["LRN": ["size": .int(3), "bias": .float(0), "alpha": .float(1)]]),
    Chain(start: 9, steps: ["Reciprocal"]),
    Chain(start: 9, steps: ["Acosh"]),
  ]

  @Test(arguments: chains, [3, 20])
  func chainsStayInBlocks(_ chain: Chain, _ channels: Int) throws {
    var network = Network(channels: channels)
    var value = try network.convolution(network.x, near: chain.start)
    for step in chain.steps {
      value = network.graph.addNode(step, [value], attributes: chain.attributes[step] ?? [:])
    }
    let operators = try network.operators(before: value)
    #expect(operators.first == "BlockedConv")
    #expect(!operators.contains("FromBlocked") && !operators.contains("BlockedChannelShuffle"))
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
    #expect(operators.suffix(3) == ["Concat", "Split", "Atanh"])
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

  // MARK: - Infinite elements

  /// A layer of convolutions, as they are computed in different ways.
  private enum Layer: CaseIterable {
    case pointwise, square, large, strided, depthwise, grouped, oddGroups
  }

  /// Operators that make other numbers of infinity, and their attributes.
  private static let transitions: [(name: String, attributes: [ByteString: Attribute])] = [
    ("Sigmoid", [:]), ("Relu", [:]), ("Atan", [:]), ("Tanh", [:]), ("Reciprocal", [:]),
    ("LRN", ["size": .int(5)]), ("HardSwish", [:]),
    ("MaxPool", ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]),
    (
      "MaxPool",
      ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]
    ),
    // Windows in the padding
    (
      "MaxPool",
      ["kernel_shape": .ints([2, 2]), "strides": .ints([3, 3]), "pads": .ints([0, 0, 2, 2])]
    ),
    ("AveragePool", ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])]),
  ]

  /// Networks of a few layers, and an image with one infinite element or NaN, or one of which Exp
  /// makes infinity.
  @Test(arguments: 0..<160)
  func onlyReadersAreInfinite(_ number: Int) throws {
    var generator = Generator(kind: 0x1a9e, case: number)
    var channels = generator.pick([3, 16, 20]) ?? 3
    let extent = Int.random(in: 6...20, using: &generator)
    let overflows = generator.oneIn(4)
    var graph = Graph(name: "test")
    let shape = [1, channels, extent, extent]
    var value = graph.addInput(
      name: "x", type: TensorType(.float, shape.map { .known($0) }))
    var names: [String] = []
    for depth in 0...Int.random(in: 1...2, using: &generator) {
      // Winograd's method rounds in proportion to the largest element.
      let layer =
        overflows && depth == 0 ? .pointwise : generator.pick(Layer.allCases) ?? .pointwise
      names.append("\(layer)")
      (value, channels) = try append(
        layer, to: &graph, value, channels: channels, using: &generator)
      if overflows && depth == 0 {
        value = graph.addNode("Exp", [value])
      } else if generator.oneIn(5) {
        value = try appendNormalization(to: &graph, value, channels, using: &generator)
      } else if let step = generator.pick(Self.transitions) {
        names.append(step.name)
        value = graph.addNode(step.name, [value], attributes: step.attributes)
      }
    }
    (value, _) = try append(.square, to: &graph, value, channels: channels, using: &generator)
    graph.outputs = [value]
    try graph.inferTypes()

    var pixels = generator.floats(shape.elementCount)
    pixels[generator.below(pixels.count)] =
      overflows ? 1e6 : generator.pick([.infinity, -.infinity, .nan] as [Float]) ?? 0
    let image = try Tensor(pixels, shape: shape)
    var plain = Executable.Options()
    plain.optimizes = false
    let outputs = try [Executable(graph), Executable(graph, options: plain)].map { executable in
      try Session(executable).run([image])[0].elements(as: Float.self)
    }
    // The reciprocals of numbers near zero are as inexact as these.
    let largest = outputs[1].filter(\.isFinite).map(abs).max() ?? 1
    let allowed = names.contains("Reciprocal") ? .infinity : 1e-4 * max(1, largest)
    let wrong = zip(outputs[0], outputs[1]).filter { found, expected in
      expected.isFinite ? !(abs(found - expected) <= allowed) : found.isFinite
    }
    #expect(wrong.isEmpty, "\(wrong.count) of \(outputs[0].count) elements of \(names)")
  }

  /// Weights without zeros, whose sums are about as large as the channels.
  private func append(
    _ layer: Layer, to graph: inout Graph, _ value: ValueID, channels: Int,
    using generator: inout Generator
  ) throws -> (ValueID, Int) {
    var (from, to, groups) = (channels, generator.pick([5, 16, 17, 40]) ?? 5, 1)
    var (value, extent, stride) = (value, 3, 1)
    switch layer {
    case .pointwise: extent = 1
    case .square: break
    case .large: extent = 5
    case .strided: stride = 2
    case .depthwise: (to, groups) = (from, from)
    case .grouped, .oddGroups:
      // The layer before makes the channels.
      (from, to, groups) = layer == .grouped ? (24, 24, 4) : (15, 18, 3)
      value = try append(
        value, to: &graph, weights: [from, channels, 1, 1], attributes: [:], using: &generator)
    }
    let result = try append(
      value, to: &graph, weights: [to, from / groups, extent, extent],
      attributes: [
        "group": .int(groups), "strides": .ints([stride, stride]),
        "pads": .ints([Int](repeating: extent / 2, count: 4)),
      ], using: &generator)
    return (result, to)
  }

  private func append(
    _ value: ValueID, to graph: inout Graph, weights shape: Shape,
    attributes: [ByteString: Attribute], using generator: inout Generator
  ) throws -> ValueID {
    let scale = 1 / Float(shape[1...].reduce(1, *)).squareRoot()
    let weights = generator.floats(shape.elementCount).map {
      ($0 < 0 ? $0 - 0.2 : $0 + 0.2) * scale
    }
    return graph.addNode(
      "Conv",
      [
        value, graph.addConstant(try Tensor(weights, shape: shape)),
        graph.addConstant(try Tensor(generator.floats(shape[0]), shape: [shape[0]])),
      ], attributes: attributes)
  }

  private func appendNormalization(
    to graph: inout Graph, _ value: ValueID, _ channels: Int, using generator: inout Generator
  ) throws -> ValueID {
    let numbers = try (0..<4).map { _ in
      graph.addConstant(
        try Tensor(generator.floats(channels).map { abs($0) + 0.5 }, shape: [channels]))
    }
    return graph.addNode(
      "BatchNormalization", [graph.addNode("Atan", [value])] + numbers)
  }
}
