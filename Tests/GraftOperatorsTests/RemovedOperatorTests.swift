import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// What ONNX removed stands in its own domain in old files, and is imported as other operators.
@Suite struct RemovedOperatorTests {
  static let types = OperatorCatalog.operators.filter {
    $0.schema.domain == OperatorDomain.removed
  }.map { OperatorName(type: $0) }

  @Test(arguments: types) func nodesOfOldFilesAreExpanded(_ name: OperatorName) throws {
    for example in name.type.examples {
      let elements = [ElementType.float, .float16, .double]
      for elementType in elements {
        let shape = [Dimension](try #require(example.inputs[0]).shape)
        let graph = try upgraded(name.type, TensorType(elementType, shape), example.attributes)
        let isKnown = graph.nodes.allSatisfy { OperatorCatalog.type(of: $0) != nil }
        #expect(isKnown && !graph.nodes.isEmpty)
        let output = try #require(graph[graph.outputs[0]].type?.tensor)
        #expect(output.elementType == elementType)
        #expect(output.shape == [Dimension](try #require(example.outputs[0]).shape))
      }
    }
  }

  @Test func invalidAttributesAreErrors() throws {
    let image = TensorType(.float, [1, 1, 4, 4])
    for border in [[], [1, 2, 3], [-1, 0, 0, 0], [0, 0, 0, Int.max]] {
      expectError(.badData, "'border'") {
        try upgraded(Self.type("Crop"), image, ["border": .ints(border)])
      }
    }
    expectError(.badData, "'scale'") {
      try upgraded(
        Self.type("Crop"), image, ["border": .ints([0, 0, 0, 0]), "scale": .ints([2])])
    }
    expectError(.badData, "'bias'") {
      try upgraded(Self.type("ImageScaler"), image, ["bias": .floats([])])
    }
  }

  private static func type(_ name: String) throws -> any Operator.Type {
    try #require(OperatorCatalog.type(name, domain: OperatorDomain.removed))
  }

  /// The graph of a node as a file of opset 7 has it.
  private func upgraded(
    _ type: any Operator.Type, _ input: TensorType, _ attributes: [ByteString: Attribute]
  ) throws -> Graph {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: input)
    let y = graph.addValue(name: "y")
    var upgrader = NodeUpgrader(graph: graph)
    try upgrader.append(
      Node(operatorType: type.schema.name, inputs: [x], outputs: [y], attributes: attributes),
      opset: 7)
    graph = upgrader.graph
    graph.outputs = [y]
    return graph
  }
}
