import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Nodes of old opsets, upgraded.
@Suite struct OlderFormTests {
  @Test func broadcastAxisBecomesUnsqueeze() throws {
    let upgraded = try upgrade(
      "Add", from: 6, shapes: [[2, 3, 4, 5], [3, 4]],
      attributes: ["broadcast": .int(1), "axis": .int(1), "consumed_inputs": .ints([0])])
    #expect(upgraded.node.attributes.isEmpty)
    #expect(upgraded.before.map(\.operatorType) == ["Unsqueeze"])
    #expect(try upgraded.axes() == [2])
  }

  @Test func broadcastOfLastAxesNeedsNothing() throws {
    for attributes: [ByteString: Attribute] in [
      ["broadcast": .int(1)], ["broadcast": .int(1), "axis": .int(2)], ["broadcast": .int(0)],
    ] {
      let upgraded = try upgrade(
        "Mul", from: 1, shapes: [[2, 3, 4, 5], [4, 5]], attributes: attributes)
      #expect(upgraded.before.isEmpty)
      #expect(upgraded.node.attributes.isEmpty)
    }
  }

  @Test func broadcastAxisMustFit() {
    for axis in [2, 4, -5, .max] {
      expectError(.badData) {
        try upgrade(
          "Less", from: 1, shapes: [[2, 3, 4], [3, 4]],
          attributes: ["broadcast": .int(1), "axis": .int(axis)])
      }
    }
  }

  @Test func slopeOfOldPReluIsForChannels() throws {
    let upgraded = try upgrade("PRelu", from: 6, shapes: [[1, 3, 4, 5], [3]], attributes: [:])
    #expect(try upgraded.axes() == [1, 2])
  }

  @Test func axesOfReductionsBecomeAnInput() throws {
    for (name, version) in [("ReduceSum", 11), ("ReduceMean", 13), ("ReduceMax", 13)] {
      let upgraded = try upgrade(
        name, from: version, shapes: [[2, 3]],
        attributes: ["axes": .ints([1]), "keepdims": .int(0)])
      let axes = try #require(upgraded.graph.constant(upgraded.node.inputs[1]))
      #expect(try axes.integers() == [1])
      #expect(upgraded.node.attributes["axes"] == nil)
    }
  }

  @Test func countOfTopKBecomesAnInput() throws {
    let upgraded = try upgrade("TopK", from: 1, shapes: [[5]], attributes: ["k": .int(2)])
    let count = try #require(upgraded.graph.constant(upgraded.node.inputs[1]))
    #expect(try count.integers() == [2])
  }

  private struct Upgraded {
    let node: Node
    let before: [Node]
    let graph: Graph

    func axes() throws -> [Int]? {
      try graph.constant(before.first?.inputs[1])?.integers()
    }
  }

  private func upgrade(
    _ name: String, from version: Int, shapes: [Shape], attributes: [ByteString: Attribute]
  ) throws -> Upgraded {
    var graph = Graph()
    let inputs = shapes.enumerated().map {
      graph.addInput(name: "input_\($0)", type: TensorType(.float, [Dimension]($1)))
    }
    var node = Node(
      operatorType: name, inputs: inputs, outputs: [graph.addValue()], attributes: attributes)
    var context = UpgradeContext(graph: graph, opset: version)
    let type = try #require(OperatorCatalog.type(name))
    try type.upgrade(&node, from: version, in: &context)
    return Upgraded(node: node, before: context.nodesBefore, graph: context.graph)
  }
}

/// Contents that no kernel can compute with.
@Suite struct ImpossibleArithmeticTests {
  @Test(
    arguments: [
      ("Div", [Int64(5), 0], [:]), ("Mod", [5, 0], [:]), ("Mod", [5, 0], ["fmod": .int(1)]),
      ("Pow", [0, -1], [:]),
    ] as [(String, [Int64], [ByteString: Attribute])])
  func integersThrow(
    _ name: String, _ operands: [Int64], _ attributes: [ByteString: Attribute]
  ) throws {
    let node = Node(
      operatorType: name, inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)],
      attributes: attributes)
    let operation = try OperatorCatalog.make(node)
    let inputs = try operands.map { RuntimeValue.tensor(try Tensor(scalar: $0)) }
    expectError(.badData, name == "Pow" ? "0 to the power -1" : "zero") {
      try evaluate(operation, inputs: inputs, wantedOutputs: [true])
    }
  }

  @Test(arguments: ["i->ij", "i.", "i->ii", "i1", "i-", "i->i->i", "i,i", "ij"])
  func equationsThrow(_ equation: String) throws {
    expectError(.badData) {
      let node = Node(
        operatorType: "Einsum", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: ["equation": .string(equation)])
      return try evaluate(
        OperatorCatalog.make(node), inputs: [.tensor(Tensor([Float(1)], shape: [1]))],
        wantedOutputs: [true])
    }
  }
}
