import Foundation
import Graft
import GraftFiles
import GraftGraph
import GraftTensor
import TestSupport
import Testing

@Suite struct ScoresTests {
  /// A graph whose output is what `build` makes of a linear layer's.
  private func end(_ build: (inout Graph, ValueID) throws -> ValueID) throws -> OutputEnd {
    var graph = Graph(name: "scores")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3]))
    let weights = graph.addConstant(
      name: "w", try Tensor([Float](repeating: 1, count: 6), shape: [3, 2]))
    let sums = graph.addNode("MatMul", [x, weights])
    graph.outputs = [try build(&graph, sums)]
    return OutputEnd(of: graph)
  }

  private func constant(_ graph: inout Graph, _ value: Float) throws -> ValueID {
    graph.addConstant(name: "constant", try Tensor(scalar: value))
  }

  @Test func tellsWhatAGraphEndsWith() throws {
    #expect(try end { $1 } == .linear)
    #expect(try end { $0.addNode("Relu", [$1]) } == .linear)
    #expect(try end { $0.addNode("LogSoftmax", [$1]) } == .linear)
    #expect(try end { $0.addNode("Softmax", [$1]) } == .distribution)
    #expect(try end { $0.addNode("Sigmoid", [$1]) } == .probabilities)
    #expect(try end { $0.addNode("Sin", [$1]) } == .unknown)
    let biased = try end { graph, sums in
      let bias = try constant(&graph, 1)
      return graph.addNode("Add", [sums, bias])
    }
    #expect(biased == .linear)
    let moved = try end { graph, sums in
      let softmax = graph.addNode("Softmax", [sums])
      return graph.addNode("Identity", [softmax])
    }
    #expect(moved == .distribution)
  }

  @Test func tellsSoftmaxesThatAreSpelledOut() throws {
    let quotient = try end { graph, sums in
      let exponential = graph.addNode("Exp", [sums])
      let total = graph.addNode("ReduceSum", [exponential])
      return graph.addNode("Div", [exponential, total])
    }
    #expect(quotient == .distribution)
    let mean = try end { graph, sums in
      let relu = graph.addNode("Relu", [sums])
      let parts = [graph.addNode("Softmax", [sums]), graph.addNode("Softmax", [relu])]
      let sum = graph.addNode("Add", parts)
      let half = try constant(&graph, 0.5)
      return graph.addNode("Mul", [sum, half])
    }
    #expect(mean == .distribution)
    let mixed = try end { graph, sums in
      let softmax = graph.addNode("Softmax", [sums])
      let relu = graph.addNode("Relu", [sums])
      return graph.addNode("Add", [softmax, relu])
    }
    #expect(mixed == .unknown)
  }

  /// Values that are reached in 2^80 ways.
  @Test func walksLadders() throws {
    let found = try end { graph, sums in
      (0..<80).reduce(sums) { value, _ in graph.addNode("Add", [value, value]) }
    }
    #expect(found == .linear)
  }

  private func probabilities(
    _ values: [Float], _ shape: Shape, images: Int = 1, _ scores: Scores?, _ labels: [String]? = nil
  ) throws -> [[Float]] {
    try Ranking.probabilities(
      ofClasses: Tensor(values, shape: shape), imageCount: images, scores: scores,
      labels: labels.map { Labels(names: $0) })
  }

  private func isClose(_ found: [[Float]], _ expected: [[Float]]) -> Bool {
    found.map(\.count) == expected.map(\.count)
      && zip(found.joined(), expected.joined()).allSatisfy { abs($0 - $1) < 1e-6 }
  }

  @Test func oneScoreIsThatOfTheSecondOfTwoClasses() throws {
    let pair: [[Float]] = [[0.425557, 0.574443]]
    #expect(isClose(try probabilities([0.3], [1, 1], .logits, ["a", "b"]), pair))
    #expect(isClose(try probabilities([0.3], [1, 1], .logits), pair))
    #expect(isClose(try probabilities([0.3], [1, 1], nil), pair))
    #expect(isClose(try probabilities([0.3], [1, 1, 1, 1], .logits), pair))
    #expect(isClose(try probabilities([0.3], [1, 1], .probabilities), [[0.7, 0.3]]))
    #expect(
      isClose(try probabilities([-800, 800], [2, 1], images: 2, .logits), [[1, 0], [0, 1]]))
    // A model that squeezes its output, with several images.
    #expect(
      isClose(
        try probabilities([0.3, 0.3, 0.3], [3], images: 3, .logits), pair + pair + pair))
    #expect(isClose(try probabilities([0.3], [1, 1], .logits, ["a"]), [[0.574443]]))
    #expect(isClose(try probabilities([0.3], [1, 1], .sigmoid), [[0.574443]]))
  }

  @Test func scoresOfSeveralClasses() throws {
    let values: [Float] = [1, 2, 0]
    #expect(isClose(try probabilities(values, [1, 3], .logits), [[0.244728, 0.665241, 0.090031]]))
    #expect(isClose(try probabilities(values, [1, 3], .sigmoid), [[0.731059, 0.880797, 0.5]]))
    // Logits that happen to add up to 1.
    let unlucky: [Float] = [0.25, 0.5, 0.25]
    let few: Float = 1 / (2 + exp(0.25))
    #expect(isClose(try probabilities(unlucky, [1, 3], .logits), [[few, 1 - 2 * few, few]]))
    #expect(isClose(try probabilities(unlucky, [1, 3], nil), [unlucky]))
    #expect(isClose(try probabilities([1.0005, -0.0005], [1, 2], .probabilities), [[1, 0]]))
    expectError(.badData, "2.0") { try probabilities(values, [1, 3], .probabilities) }
    expectError(.badData, "2 labels", "3 classes") {
      try probabilities(values, [1, 3], .logits, ["a", "b"])
    }
    expectError(.badData, "2 images") { try probabilities(values, [1, 3], images: 2, .logits) }
    #expect(try probabilities([.nan, 1], [1, 2], .logits)[0][0].isNaN)
    #expect(try probabilities([.nan], [1, 1], .probabilities)[0][1].isNaN)
  }
}
