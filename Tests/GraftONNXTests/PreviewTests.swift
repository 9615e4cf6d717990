import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import SwiftProtobuf
import TestSupport
import Testing

/// Models of the preview domains.
@Suite struct PreviewTests {
  private static let training = OperatorDomain.previewTraining

  private static func strings(_ name: String, _ values: [String]) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = name
    attribute.type = .strings
    attribute.strings = values.map { .init($0.utf8) }
    return attribute
  }

  private static func string(_ name: String, _ value: String) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = name
    attribute.type = .string
    attribute.s = .init(value.utf8)
    return attribute
  }

  private static func gradient(
    _ inputs: [String], _ outputs: [String], xs: [String], zs: [String] = [], y: String
  ) -> Onnx_NodeProto {
    var attributes = [strings("xs", xs), string("y", y)]
    if !zs.isEmpty { attributes.append(strings("zs", zs)) }
    return node("Gradient", inputs, outputs, domain: training, attributes)
  }

  private static func trainingModel(_ graph: Onnx_GraphProto) -> Onnx_ModelProto {
    var proto = model(graph)
    proto.opsetImport.append(operatorSet(training, 1))
    return proto
  }

  private static func written(_ graph: Graph) throws -> Onnx_ModelProto {
    try Onnx_ModelProto(serializedBytes: try ONNXExporter().bytes(graph))
  }

  private static func names(_ proto: Onnx_NodeProto, _ name: String) -> [String] {
    proto.attribute.filter { $0.name == name }.flatMap { attribute in
      (attribute.type == .string ? [attribute.s] : attribute.strings).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
  }

  /// Names in attributes become inputs, and names again; nodes may come in any order.
  @Test func gradientsNameTensorsOfTheGraph() throws {
    let proto = Self.trainingModel(
      graph(
        [
          Self.gradient(["a", "x"], ["ga"], xs: ["a"], zs: ["x"], y: "y"),
          node("Mul", ["h", "a"], ["y"]), node("Mul", ["a", "x"], ["h"]),
        ], inputs: ["x", "a"], outputs: ["y", "ga"]))
    let graph = try imported(proto)
    #expect(graph.nodes.map(\.operatorType) == ["Mul", "Mul", "Gradient"])
    #expect(graph.nodes[2].inputs.map { $0.map { graph[$0].name } } == ["a", "x", "a", "x", "y"])
    #expect(graph[graph.outputs[1]].type == .tensor(TensorType(.float, [2])))
    let copy = try Self.written(graph)
    #expect(copy.opsetImport.contains { $0.domain == Self.training && $0.version == 1 })
    #expect(copy.graph.node[2].input == ["a", "x"])
    #expect(Self.names(copy.graph.node[2], "xs") == ["a"])
    #expect(Self.names(copy.graph.node[2], "zs") == ["x"])
    #expect(Self.names(copy.graph.node[2], "y") == ["y"])
    #expect(differences(graph, try imported(copy)) == [])
  }

  /// In a function, the names are those of its values, which get longer names in the graph.
  @Test func gradientsInFunctions() throws {
    var slope = function(
      "slope", inputs: ["v"], outputs: ["g"],
      [
        node("Mul", ["v", "v"], ["square"]),
        Self.gradient(["v"], ["g"], xs: ["v"], y: "square"),
      ])
    slope.opsetImport.append(operatorSet(Self.training, 1))
    var proto = model(
      functions: [slope],
      graph([node("slope", ["x"], ["y"], name: "call", domain: "local")]))
    proto.opsetImport.append(operatorSet(Self.training, 1))
    let graph = try imported(proto)
    let copy = try Self.written(graph)
    #expect(copy.graph.node.map(\.opType) == ["Mul", "Gradient"])
    #expect(Self.names(copy.graph.node[1], "xs") == ["x"])
    #expect(Self.names(copy.graph.node[1], "y") == copy.graph.node[0].output)
  }

  /// Names are unique in a written file, also those that differ in their spelling only here.
  @Test func renamedTensorsAreNamedAsTheyAreWritten() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let y = graph.addNode("Exp", [graph.addNode("Neg", [x], outputName: "x")], outputName: "x")
    graph.outputs = [
      graph.addNode(
        "Gradient", domain: Self.training, [x, x, y],
        attributes: ["xs": .strings(["old"]), "y": .string("older")])
    ]
    let copy = try Self.written(graph)
    let last = try #require(copy.graph.node.last)
    #expect(Self.names(last, "xs") == ["x"])
    #expect(Self.names(last, "y") == copy.graph.node[1].output)
    #expect(Self.names(last, "y") != ["x"])
  }

  @Test func wrongNamesAreRefused() throws {
    func expect(_ part: String, _ gradient: Onnx_NodeProto) {
      expectError(.badData, part) {
        _ = try imported(
          Self.trainingModel(graph([node("Exp", ["x"], ["y"]), gradient], outputs: ["g"])))
      }
    }
    expect(
      "differentiates 'other', which no node computes",
      Self.gradient(["x"], ["g"], xs: ["other"], y: "y"))
    expect(
      "differentiates 'other', which no node computes",
      Self.gradient(["x"], ["g"], xs: ["x"], y: "other"))
    expect("name 2 tensors", Self.gradient(["x"], ["g"], xs: ["x"], zs: ["y"], y: "y"))
    expect("names no tensor", Self.gradient([], ["g"], xs: [], y: "y"))
    expect("has a cycle", Self.gradient(["x"], ["g"], xs: ["x"], y: "g"))
    expect(
      "attribute 'y' is missing",
      node(
        "Gradient", ["x"], ["g"], domain: Self.training,
        [
          Self.strings("xs", ["x"])
        ]))
  }

  @Test func optimizersAreWrittenAsTheyWereRead() throws {
    let proto = Self.trainingModel(
      graph(
        [
          node(
            "Adam", ["r", "t", "x", "g", "v", "h"], ["y", "v2", "h2"], domain: Self.training,
            [attribute("alpha", float: 0.5), attribute("epsilon", float: 0.25)])
        ], inputs: ["x", "g", "v", "h"], outputs: ["y", "v2", "h2"]))
    var whole = proto
    whole.graph.input.append(valueInfo("r", shape: []))
    whole.graph.input.append(valueInfo("t", .int64, shape: []))
    let graph = try imported(whole)
    let copy = try Self.written(graph)
    #expect(copy.graph.node[0].attribute.map(\.name) == ["alpha", "epsilon"])
    #expect(copy.opsetImport.contains { $0.domain == Self.training && $0.version == 1 })
    #expect(copy.irVersion >= 7)
    #expect(differences(graph, try imported(copy)) == [])
  }

  /// The bodies' nodes become nodes of the graph, and so they are written.
  @Test func attentionIsSpelledOut() throws {
    func body(_ name: String, _ nodes: [Onnx_NodeProto]) -> Onnx_GraphProto {
      var body = graph(nodes, inputs: ["scores"], outputs: ["changed"])
      body.name = name
      body.input[0].type.tensorType.clearShape()
      body.output[0].type.tensorType.clearShape()
      return body
    }
    let shape = [1, 2, 2, 2]
    var proto = model(
      opset: 26, irVersion: 13,
      graph(
        [
          node("Neg", ["bias"], ["negated"]),
          node(
            "FlexAttention", ["q", "q", "q"], ["y"], domain: OperatorDomain.preview,
            [
              attribute(
                "score_mod", graph: body("mod", [node("Add", ["scores", "negated"], ["changed"])]))
            ]),
        ], inputs: ["q", "bias"]))
    proto.opsetImport.append(operatorSet(OperatorDomain.preview, 1))
    proto.graph.input[0] = valueInfo("q", shape: shape)
    proto.graph.output = [valueInfo("y", shape: shape)]
    let spelled = try imported(proto)
    #expect(spelled.nodes.allSatisfy { $0.domain.isEmpty && $0.bodies.isEmpty })
    #expect(spelled.nodes.map(\.operatorType).contains("Softmax"))
    #expect(spelled[spelled.outputs[0]].type == .tensor(TensorType(.float, [1, 2, 2, 2])))
    #expect(differences(spelled, try imported(try Self.written(spelled))) == [])
  }
}
