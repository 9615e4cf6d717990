import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Valid graphs in which operators that Graft lacks come before those that it has.
@Suite struct UnknownOperatorTests {
  static let types = OperatorCatalog.operators.filter { $0.schema.domain.isEmpty }
    .map { OperatorName(type: $0) }

  /// The types of an unknown operator's outputs are unknown; its readers are valid anyway.
  @Test(arguments: types)
  func inferenceGoesOnBehindUnknownOperators(_ name: OperatorName) throws {
    for example in name.type.examples {
      let given = example.inputValues.indices.filter { example.inputValues[$0] != nil }
      for unknown in given.map({ [$0] }) + [given] where !unknown.isEmpty {
        var graph = Graph()
        let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
        let hidden = graph.addNode("Mystery", domain: "other", [x])
        let inputs = example.inputValues.enumerated().map { index, value -> ValueID? in
          if unknown.contains(index) { return hidden }
          guard let value else { return nil }
          if case .tensor(let tensor) = value { return graph.addConstant(tensor) }
          let id = graph.addInput(name: "x\(index)", type: TensorType(.float, nil))
          graph[id].type = example.inputTypes[index]
          return id
        }
        let outputs = example.outputValues.map { $0 == nil ? nil : graph.addValue() }
        var upgrader = NodeUpgrader(graph: graph)
        try upgrader.append(
          Node(
            operatorType: name.type.schema.name, inputs: inputs, outputs: outputs,
            attributes: example.attributes), opset: 28)
        graph = upgrader.graph
        graph.outputs = outputs.compactMap { $0 }
        try graph.inferTypes()
        try graph.validate()
        #expect(graph[hidden].type == nil)
      }
    }
  }

  @Test func typesThatFollowFromOtherInputsAreKnown() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let hidden = graph.addNode("Mystery", domain: "other", [x])
    let y = graph.addNode("Mul", [x, x])
    let z = graph.addNode("Identity", [hidden])
    try graph.inferTypes()
    #expect(graph[y].type == .tensor(TensorType(.float, [2])))
    #expect(graph[z].type == nil)
  }

  /// Nodes with an input of unknown type cannot be upgraded, and are only kept for display.
  @Test func olderFormsAreKeptForShowing() throws {
    for keeps in [true, false] {
      var graph = Graph()
      let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
      let hidden = graph.addNode("Mystery", domain: "other", [x])
      let slope = graph.addConstant(try Tensor([Float(0.5)], shape: [1]))
      let y = graph.addValue()
      graph.outputs = [y]
      var upgrader = NodeUpgrader(graph: graph, keepsOlderForms: keeps)
      let node = Node(operatorType: "PRelu", inputs: [hidden, slope], outputs: [y])
      guard keeps else {
        expectError(.unavailable) { try upgrader.append(node, opset: 6) }
        continue
      }
      try upgrader.append(node, opset: 6)
      var shown = upgrader.graph
      try shown.inferTypes()
      try shown.validate()
      #expect(shown.nodes.map(\.domain) == ["other", Node.olderFormDomain])
    }
  }
}
