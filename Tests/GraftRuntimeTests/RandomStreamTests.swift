import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import Testing

/// Nodes that draw random numbers without a seed draw different ones, which stay the same from run
/// to run.
@Suite struct RandomStreamTests {
  private func numbers(
    _ names: [String], seeds: [Float?], threads: Int = 1
  ) throws -> [[Float]] {
    var graph = Graph(name: "noise")
    graph.outputs = zip(names, seeds).map { name, seed in
      var attributes: [ByteString: Attribute] = ["shape": .ints([500])]
      if let seed { attributes["seed"] = .float(seed) }
      return graph.addNode("RandomNormal", [], attributes: attributes, outputName: name)
    }
    var options = Executable.Options()
    options.threadCount = threads
    let session = Session(try Executable(graph, options: options))
    let first = try session.run([]).map { try $0.elements(as: Float.self) }
    let second = try session.run([]).map { try $0.elements(as: Float.self) }
    #expect(first == second, "each run draws the same")
    return first
  }

  @Test func nodesWithoutASeedDiffer() throws {
    let found = try numbers(["a", "b"], seeds: [nil, nil])
    #expect(found[0] != found[1])
    // What else is in the graph does not matter.
    #expect(try numbers(["b"], seeds: [nil], threads: 2) == [found[1]])
  }

  @Test func nodesWithTheSameSeedAgree() throws {
    let found = try numbers(["a", "b", "c"], seeds: [1, 1, 2])
    #expect(found[0] == found[1])
    #expect(found[0] != found[2])
  }

  @Test func bodiesGetStreamsToo() throws {
    var body = Graph(name: "body")
    body.outputs = [body.addNode("RandomUniform", [], attributes: ["shape": .ints([2])])]
    var graph = Graph(name: "outer")
    let condition = graph.addInput(name: "c", type: TensorType(.bool, []))
    graph.outputs = [
      graph.addNode(
        "If", [condition], attributes: ["then_branch": .graph(body), "else_branch": .graph(body)])
    ]
    #expect(try RandomStreams.run(&graph))
    for inner in graph.nodes[0].bodies {
      #expect(inner.nodes[0].attributes["stream"] != nil)
    }
    #expect(try !RandomStreams.run(&graph))
  }

  /// The numbers of three trips of a loop.
  private func trips(seed: Float?) throws -> [[Float]] {
    var graph = Graph(name: "noise")
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let body = Graph.loopBody { graph, _, condition, _ in
      var attributes: [ByteString: Attribute] = ["shape": .ints([2, 3])]
      if let seed { attributes["seed"] = .float(seed) }
      return [condition, graph.addNode("RandomNormal", [], attributes: attributes)]
    }
    graph.outputs = [
      graph.addNode(
        "Loop", [count, graph.addConstant(try Tensor(scalar: true))],
        attributes: ["body": .graph(body)])
    ]
    let session = Session(try Executable(graph))
    let first = try session.run([try Tensor(scalar: Int64(3))])[0].elements(as: Float.self)
    let second = try session.run([try Tensor(scalar: Int64(3))])[0].elements(as: Float.self)
    #expect(first == second, "each run draws the same")
    return (0..<3).map { Array(first[6 * $0..<6 * $0 + 6]) }
  }

  @Test func tripsDiffer() throws {
    #expect(Set(try trips(seed: nil)).count == 3)
    #expect(Set(try trips(seed: 1)).count == 1)
  }

  @Test func loopsThatDrawHaveNoGradient() throws {
    var graph = Graph(name: "noise")
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let body = Graph.loopBody([("sum", TensorType(.float, [2]))]) { graph, _, condition, carried in
      let noise = graph.addNode("RandomNormal", [], attributes: ["shape": .ints([2])])
      return [condition, graph.addNode("Mul", [carried[0], noise])]
    }
    let count = graph.addConstant(try Tensor(scalar: Int64(3)))
    let y = graph.addNode("Loop", [count, nil, x], attributes: ["body": .graph(body)])
    let loss = graph.addNode("ReduceSum", [y], attributes: ["keepdims": .int(0)])
    graph.outputs = [loss]
    #expect(throws: GraftError.self) {
      try GradientPass.append(to: &graph, loss: loss, targets: [x])
    }
  }
}
