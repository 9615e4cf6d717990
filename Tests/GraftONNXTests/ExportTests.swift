import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import SwiftProtobuf
import Testing

@Suite struct ExportTests {
  private func exported(_ graph: Graph, opset: Int? = nil) throws -> Onnx_ModelProto {
    try Onnx_ModelProto(serializedBytes: try ONNXExporter(opset: opset).bytes(graph))
  }

  private func relu(_ type: ElementType = .float) -> Graph {
    var graph = Graph()
    let input = graph.addInput(name: "x", type: TensorType(type, [2]))
    let output = graph.addNode("Relu", name: "r", [input], outputName: "y")
    graph[output].type = .tensor(TensorType(type, [2]))
    graph.outputs = [output]
    return graph
  }

  @Test func choosesTheLowestVersions() throws {
    var proto = try exported(relu())
    #expect(proto.opsetImport.map(\.version) == [7])
    #expect(proto.irVersion == 3)
    #expect(proto.producerName == "graft")
    // Integers came with opset 14, bfloat16 with 13.
    proto = try exported(relu(.int32))
    #expect(proto.opsetImport.map(\.version) == [14])
    #expect(proto.irVersion == 7)
    #expect(try exported(relu(.bfloat16)).opsetImport.map(\.version) == [13])
  }

  @Test func namesTheNodeThatAnOpsetCannotExpress() throws {
    #expect(try exported(relu(), opset: 18).opsetImport.map(\.version) == [18])
    let message = try #require(errorMessage { _ = try exported(relu(.int32), opset: 13) })
    #expect(message.contains("Relu 'r' needs opset 14"), "\(message)")
    #expect(errorMessage { _ = try exported(relu(), opset: 29) } != nil)
  }

  @Test func attributesCount() throws {
    var graph = Graph()
    let input = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let shape = graph.addConstant(name: "s", try Tensor([Int64(2)], shape: [1]))
    let output = graph.addNode(
      "Reshape", [input, shape], attributes: ["allowzero": .int(1)], outputName: "y")
    graph.outputs = [output]
    #expect(try exported(graph).opsetImport.map(\.version) == [14])
    #expect(try exported(graph).irVersion == 7)
  }

  @Test func refusesGraftsOwnOperators() throws {
    var graph = relu()
    graph.nodes[0].domain = "graft"
    let message = try #require(errorMessage { _ = try exported(graph) })
    #expect(message.contains("Relu 'r' is an internal operator of Graft"), "\(message)")
  }

  @Test func parametersAreInitializers() throws {
    var graph = relu()
    let weight = graph.addParameter(name: "w", try Tensor([Float(1), 2], shape: [2]))
    let sum = graph.addNode("Add", [graph.outputs[0], weight], outputName: "z")
    graph.outputs = [sum]
    #expect(try exported(graph).graph.initializer.map(\.name) == ["w"])
  }

  @Test func namesAreMadeUnique() throws {
    var graph = relu()
    let second = graph.addNode("Relu", [graph.outputs[0]], outputName: "x")
    graph.outputs.append(second)
    graph.outputs.append(second)
    let proto = try exported(graph)
    #expect(proto.graph.input.map(\.name) == ["x"])
    #expect(proto.graph.output.map(\.name) == ["y", "x_2", "x_2_output"])
    let copy = try ONNXImporter().graph(try storage(try ONNXExporter().bytes(graph)))
    try copy.validate()
  }

  @Test func refusesToReplaceWhatIsNoFile() throws {
    #expect(errorMessage { try ONNXExporter().write(relu(), to: "/dev/null") } != nil)
    #expect(errorMessage { try ONNXExporter().write(relu(), to: "/nonexistent/x.onnx") } != nil)
  }

  @Test func exportIsDeterministic() throws {
    var graph = relu()
    graph.metadata = ["b": "1", "a": "2", "c": "3"]
    #expect(try ONNXExporter().bytes(graph) == ONNXExporter().bytes(graph))
  }
}
