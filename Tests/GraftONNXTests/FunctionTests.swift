import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import SwiftProtobuf
import Testing

@Suite struct FunctionTests {
  @Test func inlinesFunctions() throws {
    let twice = function(
      "Twice", inputs: ["a"], outputs: ["b"],
      [node("Relu", ["a"], ["t"], name: "n"), node("Add", ["t", "t"], ["b"])])
    let fourTimes = function(
      "FourTimes", inputs: ["a"], outputs: ["b"],
      [
        node("Twice", ["a"], ["t"], domain: "local"),
        node("Twice", ["t"], ["b"], domain: "local"),
      ])
    let graph = try imported(
      model(
        functions: [twice, fourTimes],
        graph([node("FourTimes", ["x"], ["y"], name: "call", domain: "local")])))
    try graph.validate()
    #expect(graph.nodes.map(\.operatorType) == ["Relu", "Add", "Relu", "Add"])
    #expect(graph.domainVersions.isEmpty)
    #expect(graph[graph.outputs[0]].name == "y")
    #expect(graph[graph.outputs[0]].type == .tensor(TensorType(.float, [2])))
    let names = graph.values.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(graph.nodes[0].name == "call/t/n")
  }

  @Test func resolvesReferencesToAttributes() throws {
    let soft = function(
      "Leaky", inputs: ["a"], outputs: ["b"],
      [
        node(
          "LeakyThing", ["a"], ["b"],
          [
            attribute("alpha", refersTo: "slope", type: .float),
            attribute("beta", refersTo: "other", type: .float),
            attribute("gamma", refersTo: "absent", type: .float),
          ])
      ], attributes: ["slope", "absent"], defaults: [attribute("other", float: 7)])
    let graph = try imported(
      model(
        functions: [soft],
        graph([
          node("Leaky", ["x"], ["y"], domain: "local", [attribute("slope", float: 0.5)])
        ])))
    let reader = AttributeReader(graph.nodes[0].attributes)
    #expect(try reader.float("alpha") == 0.5)
    #expect(try reader.float("beta") == 7)
    #expect(!reader.has("gamma"))
  }

  @Test func passesInputsThrough() throws {
    let through = function("Through", inputs: ["a", "unused"], outputs: ["a"], [])
    let graph = try imported(
      model(functions: [through], graph([node("Through", ["x"], ["y"], domain: "local")])))
    try graph.validate()
    #expect(graph.nodes.map(\.operatorType) == ["Identity"])
  }

  @Test func upgradesByTheFunctionsOwnOpset() throws {
    var old = function(
      "Old", inputs: ["a"], outputs: ["b"],
      [node("Squeeze", ["a"], ["b"], [attribute("axes", ints: [0])])])
    old.opsetImport = [operatorSet("", 11)]
    var proto = model(
      functions: [old], graph([node("Old", ["x"], ["y"], domain: "local")]))
    proto.graph.input = [valueInfo("x", shape: [1, 2])]
    let graph = try imported(proto)
    #expect(graph.nodes[0].inputs.count == 2)
  }

  @Test func keepsFunctionsWhereAsked() throws {
    var soft = function(
      "Soft", inputs: ["a"], outputs: ["b"],
      [
        node("Constant", [], ["k"], [constant(floats("k", [1, 2]))]),
        node(
          "LeakyRelu", ["a"], ["t"], [attribute("alpha", refersTo: "slope", type: .float)]),
        node("Add", ["t", "k"], ["b"]),
      ], defaults: [attribute("slope", float: 0.5)])
    soft.overload = "v1"
    let unused = function("Unused", inputs: ["a"], outputs: ["b"], [node("Relu", ["a"], ["b"])])
    var call = node("Soft", ["x"], ["t"], domain: "local", [attribute("slope", float: 0.25)])
    call.overload = "v1"
    let proto = model(
      irVersion: 10, functions: [soft, unused], graph([call, node("Neg", ["t"], ["y"])]))
    var importer = ONNXImporter()
    importer.keepsFunctions = true
    let graph = try importer.graph(try storage(try serialized(proto)))
    try graph.validate()
    #expect(graph.nodes.map(\.operatorType) == ["Soft", "Neg"])
    #expect(graph.functions.map(\.name.name) == ["Soft"])
    #expect(graph[graph.nodes[0].outputs[0]!].type == .tensor(TensorType(.float, [2])))
    let copy = try Onnx_ModelProto(serializedBytes: try ONNXExporter().bytes(graph))
    #expect(copy.functions == [soft])
    #expect(copy.graph.node[0] == call)
    #expect(copy.opsetImport == [operatorSet("", 20), operatorSet("local", 1)])
    let inlined = try imported(copy)
    #expect(inlined.nodes.map(\.operatorType) == ["LeakyRelu", "Add", "Neg"])
  }

  private func constant(_ tensor: Onnx_TensorProto) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = "value"
    attribute.type = .tensor
    attribute.t = tensor
    return attribute
  }

  @Test func refusesRecursion() throws {
    let first = function(
      "First", inputs: ["a"], outputs: ["b"], [node("Second", ["a"], ["b"], domain: "local")])
    let second = function(
      "Second", inputs: ["a"], outputs: ["b"], [node("First", ["a"], ["b"], domain: "local")])
    let message = try #require(
      errorMessage {
        _ = try imported(
          model(
            functions: [first, second], graph([node("First", ["x"], ["y"], domain: "local")])))
      })
    #expect(message.contains("within itself"), "\(message)")
  }

  @Test func refusesExplosions() throws {
    // Each function calls the one before it twice: 2^40 nodes.
    var functions = [
      function("F0", inputs: ["a"], outputs: ["b"], [node("Relu", ["a"], ["b"])])
    ]
    for level in 1...40 {
      functions.append(
        function(
          "F\(level)", inputs: ["a"], outputs: ["b"],
          [
            node("F\(level - 1)", ["a"], ["t"], domain: "local"),
            node("F\(level - 1)", ["t"], ["b"], domain: "local"),
          ]))
    }
    // Refused before anything is inlined: the default limit takes minutes to reach.
    let start = ContinuousClock.now
    let message = try #require(
      errorMessage {
        _ = try imported(
          model(functions: functions, graph([node("F40", ["x"], ["y"], domain: "local")])))
      })
    #expect(message.contains("more than 200000 nodes"), "\(message)")
    #expect(ContinuousClock.now - start < .seconds(10))
  }
}
