import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import Testing

@Suite struct ImportTests {
  @Test func readsAModel() throws {
    var proto = model(graph([node("Relu", ["x"], ["y"], name: "r")]))
    proto.producerName = "somebody"
    proto.graph.docString = "a graph"
    proto.graph.node[0].docString = "a node"
    var entry = Onnx_StringStringEntryProto()
    entry.key = "labels"
    entry.value = "a,b"
    proto.metadataProps = [entry]
    let graph = try imported(proto)
    #expect(graph.nodes.map(\.operatorType) == ["Relu"])
    #expect(graph.nodes[0].documentation == "a node")
    #expect(graph.inputs.map { graph[$0].name } == ["x"])
    #expect(graph[graph.outputs[0]].type == .tensor(TensorType(.float, [2])))
    #expect(graph.documentation == "a graph")
    #expect(graph.metadata == ["labels": "a,b"])
    #expect(graph.provenance.producerName == "somebody")
    #expect(graph.provenance.importedOpset == 20)
  }

  @Test func upgradesOldForms() throws {
    var proto = model(
      opset: 11, graph([node("Squeeze", ["x"], ["y"], [attribute("axes", ints: [0])])]))
    proto.graph.input = [valueInfo("x", shape: [1, 2])]
    let graph = try imported(proto)
    let squeeze = try #require(graph.nodes.first)
    #expect(squeeze.attributes.isEmpty)
    #expect(try graph.constant(squeeze.inputs[1])?.integers() == [0])
    #expect(graph[graph.outputs[0]].type == .tensor(TensorType(.float, [2])))
  }

  @Test func initializersAmongTheInputsAreDefaults() throws {
    let graph = try imported(
      model(
        irVersion: 3,
        graph(
          [node("Add", ["x", "w"], ["y"])], inputs: ["x", "w"],
          initializers: [floats("w", [1, 2])])))
    #expect(graph.inputs.count == 1)
    #expect(graph.defaultedInputs.map { graph[$0].name } == ["w"])
    let copy = try ONNXImporter().graph(try storage(try ONNXExporter().bytes(graph)))
    #expect(differences(graph, copy) == [])
  }

  @Test func constantNodesBecomeConstants() throws {
    var value = Onnx_AttributeProto()
    value.name = "value_ints"
    value.type = .ints
    value.ints = [1, 2]
    var proto = model(graph([node("Constant", [], ["y"], [value])], inputs: []))
    proto.graph.output = [valueInfo("y", .int64)]
    let graph = try imported(proto)
    #expect(graph.nodes.isEmpty)
    #expect(try graph.constant(graph.outputs.first)?.integers() == [1, 2])
    let copy = try ONNXImporter().graph(try storage(try ONNXExporter().bytes(graph)))
    #expect(differences(graph, copy) == [])
  }

  @Test func sparseInitializersBecomeDense() throws {
    var sparse = Onnx_SparseTensorProto()
    sparse.values = floats("w", [5, 6])
    sparse.dims = [2, 2]
    sparse.indices = tensor(
      "", .int64, [2, 2], raw: [Int64(0), 1, 1, 0].withUnsafeBytes { Array($0) })
    var proto = model(graph([node("Add", ["x", "w"], ["y"])]))
    proto.graph.sparseInitializer = [sparse]
    proto.graph.output = [valueInfo("y", shape: [2, 2])]
    let graph = try imported(proto)
    let dense = try #require(graph.constants.values.first)
    #expect(try dense.elements(as: Float.self) == [0, 5, 6, 0])

    proto.graph.sparseInitializer[0].dims = [1 << 30, 1 << 10]
    let message = try #require(errorMessage { _ = try imported(proto) })
    #expect(message.contains("too sparse"), "\(message)")
    proto.graph.sparseInitializer[0].dims = [2, 1]
    #expect(try #require(errorMessage { _ = try imported(proto) }).contains("index 1"))
  }

  @Test func sortsNodes() throws {
    let graph = try imported(
      model(
        graph([
          node("Relu", ["b"], ["y"]), node("Relu", ["a"], ["b"]), node("Relu", ["x"], ["a"]),
        ])))
    #expect(graph.nodes.map { graph[$0.outputs[0]!].name } == ["a", "b", "y"])
    try graph.validate()
  }

  @Test func namesTheNodesOfACycle() throws {
    let proto = model(
      graph([
        node("Add", ["x", "b"], ["a"], name: "first"), node("Relu", ["a"], ["b"], name: "second"),
        node("Relu", ["b"], ["y"]),
      ]))
    let message = try #require(errorMessage { _ = try imported(proto) })
    #expect(message.contains("cycle"))
    #expect(message.contains("'first'") && message.contains("'second'"))
  }

  @Test(arguments: [
    ([node("Relu", ["nothing"], ["y"])], "reads 'nothing'"),
    ([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], "both compute 'y'"),
    ([node("Relu", ["x"], ["x"]), node("Relu", ["x"], ["y"])], "cycle"),
    ([node("Relu", ["x"], ["z"])], "output 'y'"),
    ([node("Relu", ["x", "x"], ["y"])], "has 2 inputs"),
    ([node("Zap", [], ["x"]), node("Relu", ["x"], ["y"])], "twice"),
  ])
  func refusesWrongGraphs(_ nodes: [Onnx_NodeProto], _ message: String) throws {
    let found = errorMessage { _ = try imported(model(graph(nodes))) }
    #expect(try #require(found).contains(message), "\(found ?? "")")
  }

  @Test func refusesUnknownVersions() throws {
    let nodes = graph([node("Relu", ["x"], ["y"])])
    #expect(
      try #require(errorMessage { _ = try imported(model(opset: 29, nodes)) })
        .contains("opset 29"))
    #expect(
      try #require(errorMessage { _ = try imported(model(irVersion: 15, nodes)) })
        .contains("IR version 15"))
    var proto = model(nodes)
    proto.opsetImport = []
    #expect(try #require(errorMessage { _ = try imported(proto) }).contains("operator set"))
  }

  @Test func listsAllUnsupportedOperatorsAtOnce() throws {
    let body = graph([node("Zap", ["x"], ["out"])], inputs: [], outputs: ["out"])
    var proto = model(
      graph([
        node("Zip", ["x"], ["a"]), node("Zip", ["a"], ["b"]),
        node("Zop", ["b"], ["y"], domain: "other", [attribute("body", graph: body)]),
      ]))
    proto.opsetImport.append(operatorSet("other", 3))
    let graph = try imported(proto)
    #expect(graph.domainVersions == ["other": 3])
    #expect(
      graph.unsupportedOperators().map(\.description) == ["Zap", "Zip (2 nodes)", "other.Zop"])
    let message = try #require(errorMessage { try graph.requireSupportedOperators() })
    #expect(message.contains("Zap, Zip (2 nodes), other.Zop"))
  }

  @Test func bodiesCapture() throws {
    let inner = graph([node("Add", ["x", "a"], ["in"])], inputs: [], outputs: ["in"])
    let outer = graph(
      [
        node("Relu", ["x"], ["kept"]), node("Zap", [], ["mid"], [attribute("g", graph: inner)]),
      ], inputs: [], outputs: ["mid"])
    let proto = model(
      graph([
        node("Zap", [], ["y"], [attribute("body", graph: outer)]), node("Relu", ["x"], ["a"]),
      ]))
    let graph = try imported(proto)
    try graph.validate()
    // The producer of `a`, which the inner body reads, has moved to the front.
    #expect(graph.nodes.map(\.operatorType) == ["Relu", "Zap"])
    let body = try #require(graph.nodes[1].bodies.first)
    let captured = body.captures.map { (body[$0.key].name, graph[$0.value].name) }
    #expect(captured.sorted { $0.0 < $1.0 }.map(\.0) == ["a", "x"])
    #expect(captured.allSatisfy { $0.0 == $0.1 })
    let copy = try ONNXImporter().graph(try storage(try ONNXExporter().bytes(graph)))
    #expect(differences(graph, copy) == [])
  }

  /// A branch that is never taken may be wrong for the shapes at hand.
  @Test func shapesInBodiesAreNotJudgedAtImport() throws {
    let wrong = [node("Add", ["x", "w"], ["sum"])]
    let weights = [floats("w", [1, 2, 3])]
    #expect(
      errorMessage {
        _ = try imported(model(graph(wrong, outputs: ["sum"], initializers: weights)))
      } != nil)
    let body = graph(wrong, inputs: [], outputs: ["sum"], initializers: weights)
    _ = try imported(model(graph([node("Zap", [], ["y"], [attribute("body", graph: body)])])))
  }
}
