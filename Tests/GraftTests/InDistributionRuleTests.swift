import Graft
import GraftFiles
import GraftGraph
import GraftTensor
import TestSupport
import Testing

@Suite struct InDistributionRuleTests {
  private func rule(_ metadata: [ByteString: String]) throws -> InDistributionRule? {
    var graph = Graph(name: "rule")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3]))
    graph.outputs = [
      graph.addNode("Softmax", [x], outputName: "y"), graph.addNode("Relu", [x], outputName: "s"),
    ]
    graph.metadata = metadata
    return try InDistributionRule(graph)
  }

  @Test func isReadFromTheMetadata() throws {
    #expect(try rule([:]) == nil)
    let rule = try #require(
      try rule(["graft.in_distribution.output": "s", "graft.in_distribution.threshold": "-1.5"]))
    #expect(rule.outputIndex == 1)
    #expect(rule.threshold == -1.5)
    #expect(try rule.accepts(-1.5))
    #expect(try !rule.accepts(-1.5000001))
    for score in [Float.nan, .infinity, -.infinity] {
      expectError(.badData, "in-distribution score") { try rule.accepts(score) }
    }
  }

  @Test(arguments: ["nan", "inf", "-infinity", "1e39", "", " ", "0,5", "1.5 "])
  func refusesThresholds(_ text: String) {
    expectError(.badData, "graft.in_distribution.threshold") {
      try rule(["graft.in_distribution.output": "s", "graft.in_distribution.threshold": text])
    }
  }

  @Test func wantsBothKeys() {
    expectError(.badData, "graft.in_distribution.threshold") {
      try rule(["graft.in_distribution.output": "s"])
    }
    expectError(.badData, "graft.in_distribution.output") {
      try rule(["graft.in_distribution.threshold": "0"])
    }
    expectError(.badData, "'x'") {
      try rule(["graft.in_distribution.output": "x", "graft.in_distribution.threshold": "0"])
    }
  }

  @Test func takesOneScoreForEachImage() throws {
    let rule = try #require(
      try rule(["graft.in_distribution.output": "s", "graft.in_distribution.threshold": "0"]))
    let probabilities = try Tensor([Float](repeating: 0.5, count: 4), shape: [2, 2])
    let scores = try Tensor([Float(1), -1], shape: [2, 1])
    #expect(try rule.scores(of: [probabilities, scores], imageCount: 2) == [1, -1])
    expectError(.badData, "float[2, 2]") {
      try rule.scores(of: [probabilities, probabilities], imageCount: 2)
    }
    let numbers = try Tensor([Int64(1), 2], shape: [2])
    expectError(.badData, "int64[2]") {
      try rule.scores(of: [probabilities, numbers], imageCount: 2)
    }
  }
}
