import GraftFiles
import GraftGraph
import GraftONNX
import GraftTensor
import SwiftProtobuf
import Testing

extension FuzzTests {
  /// Small models that grow: each must be refused, or run, in little time and memory.
  @Suite(.serialized) struct GrowingModels {
    private static let float = TensorType(.float, [.known(1024)])

    /// A chain of nodes, each of which reads what the one before makes.
    private static func chain(
      _ operatorType: String, length: Int, isConstant: Bool,
      _ inputs: (ValueID, inout Graph) throws -> [ValueID?],
      attributes: [ByteString: Attribute] = [:]
    ) throws -> Graph {
      var graph = Graph()
      var value =
        isConstant
        ? graph.addConstant(try Tensor(zeros: .float, shape: [1024]))
        : graph.addInput(name: "x", type: float)
      for _ in 0..<length {
        value = graph.addNode(operatorType, try inputs(value, &graph), attributes: attributes)
      }
      graph.outputs = [value]
      return graph
    }

    private static func doublings() throws -> [Graph] {
      try [false, true].flatMap { isConstant in
        [
          try chain(
            "Concat", length: 50, isConstant: isConstant, { value, _ in [value, value] },
            attributes: ["axis": .int(0)]),
          try chain("Tile", length: 50, isConstant: isConstant) { value, graph in
            [value, graph.addConstant(try Tensor([2] as [Int64], shape: [1]))]
          },
          try chain("Pad", length: 50, isConstant: isConstant) { value, graph in
            [value, graph.addConstant(try Tensor([1 << 20, 1 << 20] as [Int64], shape: [2]))]
          },
          try chain("Expand", length: 3, isConstant: isConstant) { value, graph in
            [value, graph.addConstant(try Tensor([1 << 22, 1, 1] as [Int64], shape: [3]))]
          },
        ]
      }
    }

    @Test func doublingsAreRefused() throws {
      let graphs = try Self.doublings()
      try CaseRunner(name: "doublings", kind: 20, count: graphs.count).run { number, generator in
        try ModelTrial.run(try ONNXExporter().bytes(graphs[number % graphs.count]), &generator)
      }
    }

    /// Nothing in loading, planning or running takes a time that grows with the square of the
    /// model.
    @Test func longModelsAreQuick() throws {
      var wide = Graph()
      let input = wide.addInput(name: "x", type: TensorType(.float, [.known(8)]))
      let rows = (0..<20_000).map { index in
        wide.addNode("LeakyRelu", [input], attributes: ["alpha": .float(Float(index))])
      }
      wide.outputs = [wide.addNode("Concat", rows, attributes: ["axis": .int(0)])]
      let long = try Self.chain("Transpose", length: 20_000, isConstant: false) { value, _ in
        [value]
      }
      let graphs = try [wide, long, Self.longWeights(), Self.longScores()]
      try CaseRunner(name: "long-models", kind: 21, count: graphs.count).run { number, generator in
        try ModelTrial.run(try ONNXExporter().bytes(graphs[number % graphs.count]), &generator)
      }
    }

    /// A product with integers that are widened and transposed 20,000 times.
    private static func longWeights() throws -> Graph {
      var graph = Graph()
      let input = graph.addInput(name: "x", type: TensorType(.float, [1, 200]))
      let integers = graph.addConstant(try Tensor(zeros: .int8, shape: [200, 200]))
      let scale = graph.addConstant(try Tensor(scalar: Float(0.5)))
      var weights = graph.addNode("DequantizeLinear", [integers, scale])
      for _ in 0..<20_000 {
        weights = graph.addNode("Transpose", [weights], attributes: ["perm": .ints([1, 0])])
      }
      graph.outputs = [graph.addNode("MatMul", [input, weights])]
      return graph
    }

    /// Attention whose scores are scaled 20,000 times.
    private static func longScores() throws -> Graph {
      var graph = Graph()
      let input = graph.addInput(name: "x", type: TensorType(.float, [1, 4, 4]))
      let factor = graph.addConstant(try Tensor(scalar: Float(1.5)))
      var scores = graph.addNode("MatMul", [input, input])
      for _ in 0..<20_000 { scores = graph.addNode("Mul", [scores, factor]) }
      let shares = graph.addNode("Softmax", [scores], attributes: ["axis": .int(-1)])
      graph.outputs = [graph.addNode("MatMul", [shares, input])]
      return graph
    }

    /// A sequence and a string that grow node by node.
    @Test func growingValuesAreQuick() throws {
      var sequence = Graph()
      let tensor = sequence.addInput(name: "x", type: TensorType(.float, [.known(8)]))
      let front = sequence.addConstant(try Tensor(scalar: Int64(0)))
      var value = sequence.addNode("SequenceConstruct", [tensor])
      for number in 0..<20_000 {
        value = sequence.addNode(
          "SequenceInsert", number % 2 == 0 ? [value, tensor] : [value, tensor, front])
      }
      sequence.outputs = [value, sequence.addNode("SequenceLength", [value])]
      var strings = Graph()
      let text = strings.addInput(name: "x", type: TensorType(.string, [.known(4)]))
      let letter = strings.addConstant(try Tensor(strings: ["a"], shape: []))
      var joined = text
      for _ in 0..<2_000 { joined = strings.addNode("StringConcat", [joined, letter]) }
      strings.outputs = [joined]
      let graphs = [sequence, strings]
      try CaseRunner(name: "growing-values", kind: 23, count: 2).run { number, generator in
        try ModelTrial.run(try ONNXExporter().bytes(graphs[number % graphs.count]), &generator)
      }
    }

    /// Strings that double in each node, up to 2^60 bytes.
    @Test func doublingStringsAreRefused() throws {
      var graph = Graph()
      var value = graph.addInput(name: "x", type: TensorType(.string, [.known(1024)]))
      for _ in 0..<50 { value = graph.addNode("StringConcat", [value, value]) }
      graph.outputs = [value]
      try CaseRunner(name: "doubling-strings", kind: 24, count: 1).run { _, generator in
        try ModelTrial.run(try ONNXExporter().bytes(graph), &generator)
      }
    }

    /// Functions that call one function twice, and that one the next twice, and so on.
    @Test func multiplyingFunctionsAreRefused() throws {
      var model = try Onnx_ModelProto(
        serializedBytes: try ONNXExporter().bytes(
          try Self.chain("Relu", length: 1, isConstant: false) { value, _ in [value] }))
      func call(_ level: Int, _ input: String, _ output: String) -> Onnx_NodeProto {
        var node = Onnx_NodeProto()
        node.opType = level == 0 ? "Relu" : "F\(level)"
        node.domain = level == 0 ? "" : "local"
        node.name = "call"
        node.input = [input]
        node.output = [output]
        return node
      }
      let opset = model.opsetImport[0]
      var local = Onnx_OperatorSetIdProto()
      local.domain = "local"
      local.version = 1
      model.opsetImport.append(local)
      for level in 1...40 {
        var function = Onnx_FunctionProto()
        function.name = "F\(level)"
        function.domain = "local"
        function.input = ["a"]
        function.output = ["c"]
        function.node = [call(level - 1, "a", "b"), call(level - 1, "b", "c")]
        function.opsetImport = [opset, local]
        model.functions.append(function)
      }
      let output = model.graph.node[0].output[0]
      model.graph.node = [call(40, "x", output)]
      try CaseRunner(name: "functions", kind: 22, count: 1).run { _, generator in
        try ModelTrial.run(try model.serializedBytes(), &generator)
      }
    }
  }
}
