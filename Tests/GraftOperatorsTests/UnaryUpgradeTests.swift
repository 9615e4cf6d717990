import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor
import Testing

/// Older forms of the unary operators.
@Suite struct UnaryUpgradeTests {
  @Test func boundsOfClipWereAttributes() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float16, [1]))
    var node = Node(
      operatorType: "Clip", inputs: [x], outputs: [graph.addValue()],
      attributes: ["max": .float(6)])
    let context = try NodeTesting.upgrade(&node, in: graph, opset: 10)
    #expect(node.inputs.count == 3 && node.inputs[1] == nil && node.attributes.isEmpty)
    #expect(try context.graph.constant(node.inputs[2])?.elements() == [Float16(6)])
  }

  @Test func boundsOfClipFollowATypeThatIsNotKnown() throws {
    var graph = Graph()
    let x = graph.addValue()
    var node = Node(
      operatorType: "Clip", inputs: [x], outputs: [graph.addValue()],
      attributes: ["min": .float(0)])
    let context = try NodeTesting.upgrade(&node, in: graph, opset: 6)
    let cast = try #require(context.nodesBefore.first)
    #expect(cast.operatorType == "CastLike" && cast.inputs.last == x)
    #expect(node.inputs == [x, cast.outputs[0]])
  }

  @Test func seluHadOtherDefaults() throws {
    var node = Node(
      operatorType: "Selu", inputs: [ValueID(0)], outputs: [ValueID(1)],
      attributes: ["gamma": .float(2), "consumed_inputs": .ints([0])])
    try NodeTesting.upgrade(&node, opset: 5)
    let attributes = AttributeReader(node.attributes)
    #expect(try attributes.float("alpha") == 1.6732)
    #expect(try attributes.float("gamma") == 2)
    #expect(!attributes.has("consumed_inputs"))
  }
}
