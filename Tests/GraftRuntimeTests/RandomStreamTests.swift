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
}
