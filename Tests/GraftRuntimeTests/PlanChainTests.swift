import GraftRuntime
import Testing

/// Values that pass between plans, or lie outside of a plan's arena.
@Suite struct PlanChainTests {
  @Test func laterPlansReadWhatWasFolded() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3]))
    let axes = graph.addInput(name: "axes", type: TensorType(.int64, [1]))
    let shape = graph.addNode("Shape", [x])
    graph.outputs = [
      graph.addNode("ReduceSum", [shape, axes], attributes: ["keepdims": .int(0)])
    ]
    let session = Session(try Executable(graph))
    for count in [2, 5] {
      let outputs = try session.run([
        try Tensor(zeros: .float, shape: [count, 3]), try Tensor([0] as [Int64], shape: [1]),
      ])
      #expect(try outputs[0].elements(as: Int64.self) == [Int64(count + 3)])
    }
  }

  @Test func stringsAndViewsOfWhatComesFromThemAreOutputs() throws {
    var graph = Graph()
    let words = graph.addInput(name: "words", type: TensorType(.string, [3]))
    let word = graph.addConstant(try Tensor(strings: ["b"], shape: [1]))
    let column = graph.addConstant(try Tensor([3, 1] as [Int64], shape: [2]))
    graph.outputs = [
      graph.addNode("Reshape", [graph.addNode("Equal", [words, word]), column]),
      graph.addNode("Reshape", [words, column]),
      graph.addNode("Identity", [word]),
    ]
    let session = Session(try Executable(graph))
    let outputs = try session.run([try Tensor(strings: ["a", "b", "c"], shape: [3])])
    #expect(outputs.map(\.shape) == [[3, 1], [3, 1], [1]])
    #expect(try outputs[0].elements(as: Bool.self) == [false, true, false])
    #expect(outputs[1].strings == ["a", "b", "c"])
    #expect(outputs[2].strings == ["b"])
  }

  @Test func memoryBeyondTheLimitIsRefusedFirst() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1]))
    let shape = graph.addConstant(try Tensor([1 << 12, 1 << 12] as [Int64], shape: [2]))
    graph.outputs = [graph.addNode("Expand", [x, shape])]
    var options = Executable.Options()
    options.memoryLimit = 1 << 20
    let session = Session(try Executable(graph, options: options))
    let error = #expect(throws: GraftError.self) {
      try session.run([try Tensor(zeros: .float, shape: [1])])
    }
    #expect(error?.code == .operatingSystem)
    #expect(error?.description.contains("--max-memory") == true)
  }
}
