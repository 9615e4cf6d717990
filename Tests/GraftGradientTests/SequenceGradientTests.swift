import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor
import TestSupport
import Testing

/// Gradients through sequences against central differences, in double.
@Suite struct SequenceGradientTests {
  private static func check(
    _ shapes: [Shape], _ fill: (inout Graph, [ValueID]) throws -> [ValueID]
  ) throws {
    var graph = Graph()
    let ids = shapes.enumerated().map { index, shape in
      graph.addInput(name: "x\(index)", type: TensorType(.double, [Dimension](shape)))
    }
    let outputs = try fill(&graph, ids)
    var generator = Generator(seed: 7)
    let inputs = try shapes.map { shape in
      try Tensor(generator.floats(shape.elementCount).map(Double.init), shape: shape)
    }
    let result = try GradientCheck(
      graph, inputs: inputs, positions: Array(inputs.indices), outputs: outputs
    ).result()
    #expect(result.largestDifference < 1e-6)
    #expect(result.elementCount > 0 && result.kinkCount == 0)
  }

  private static func integer(_ number: Int64, _ graph: inout Graph) throws -> ValueID {
    graph.addConstant(try Tensor(scalar: number))
  }

  /// One sequence with several readers.
  @Test func elementsAreReadSeveralTimes() throws {
    try Self.check([[2], [3, 1], [1]]) { graph, x in
      let sequence = graph.addNode("SequenceConstruct", [x[0], x[1], x[0], x[2]])
      let first = graph.addNode("SequenceAt", [sequence, try Self.integer(0, &graph)])
      let again = graph.addNode("SequenceAt", [sequence, try Self.integer(-2, &graph)])
      let second = graph.addNode("SequenceAt", [sequence, try Self.integer(1, &graph)])
      return [
        graph.addNode("Mul", [first, again]), graph.addNode("Exp", [second]),
        graph.addNode("Sin", [first]),
      ]
    }
  }

  @Test(arguments: [nil, 0, 1, 2, -1, -2] as [Int64?])
  func insertedAndErasedElements(position: Int64?) throws {
    try Self.check([[2], [2], [2]]) { graph, x in
      let pair = graph.addNode("SequenceConstruct", [x[0], graph.addNode("Exp", [x[1]])])
      let place = try position.map { try Self.integer($0, &graph) }
      let three = graph.addNode("SequenceInsert", [pair, x[2], place])
      // Position 2 of two elements is their end; of three elements, it is the last.
      let two = graph.addNode("SequenceErase", [three, place])
      return try [three, three, three, two, two].enumerated().map { index, sequence in
        let place = try Self.integer(Int64(index % 3), &graph)
        return graph.addNode("Sin", [graph.addNode("SequenceAt", [sequence, place])])
      }
    }
  }

  struct Parts: CustomTestStringConvertible, Sendable {
    var axis: Int
    var keepsAxis = 1
    var lengths: [Int64]?
    var testDescription: String { "\(axis) \(keepsAxis) \(lengths ?? [])" }
  }

  @Test(arguments: [
    Parts(axis: 0), Parts(axis: -1), Parts(axis: 1, keepsAxis: 0),
    Parts(axis: 1, keepsAxis: 0, lengths: [1, 0, 2]), Parts(axis: 1, lengths: [3]),
  ]) func splitAndJoined(_ parts: Parts) throws {
    try Self.check([[2, 3]]) { graph, x in
      let lengths = try parts.lengths.map { lengths in
        graph.addConstant(try Tensor(lengths, shape: [lengths.count]))
      }
      let sequence = graph.addNode(
        "SplitToSequence", [x[0], lengths],
        attributes: ["axis": .int(parts.axis), "keepdims": .int(parts.keepsAxis)])
      let isStack = parts.keepsAxis == 0 && lengths == nil
      let joined = graph.addNode(
        "ConcatFromSequence", [sequence],
        attributes: ["axis": .int(parts.axis), "new_axis": .int(isStack ? 1 : 0)])
      let last = graph.addNode("SequenceAt", [sequence, try Self.integer(-1, &graph)])
      return [graph.addNode("Sin", [joined]), graph.addNode("Exp", [last])]
    }
  }

  @Test func stacked() throws {
    try Self.check([[2, 1], [2, 1], [2, 1]]) { graph, x in
      let sequence = graph.addNode("SequenceConstruct", x)
      return (0..<3).map { axis in
        graph.addNode(
          "Sin",
          [
            graph.addNode(
              "ConcatFromSequence", [sequence],
              attributes: ["axis": .int(axis), "new_axis": .int(1)])
          ])
      }
    }
  }

  /// A gradient must not get lost.
  @Test func bodiesThatCaptureSequencesHaveNone() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.double, [2]))
    let flag = graph.addInput(name: "flag", type: TensorType(.bool, []))
    let sequence = graph.addNode("SequenceConstruct", [x, x])
    var body = Graph(name: "branch")
    let inner = body.addValue(name: "sequence")
    body.captures[inner] = sequence
    let zero = body.addConstant(try Tensor(scalar: Int64(0)))
    body.outputs = [body.addNode("SequenceAt", [inner, zero])]
    let y = graph.addNode(
      "If", [flag], attributes: ["then_branch": .graph(body), "else_branch": .graph(body)])
    let loss = graph.addNode("ReduceSum", [y])
    expectError(.unavailable, "a body that captures sequence") {
      _ = try GradientPass.append(to: &graph, loss: loss, targets: [x])
    }
  }
}
