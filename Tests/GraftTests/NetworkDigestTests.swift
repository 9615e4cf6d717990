import Graft
import GraftFiles
import GraftGraph
import GraftTensor
import Testing

/// Networks are told apart by all that their results follow from.
@Suite struct NetworkDigestTests {
  private func digest(_ graph: Graph) throws -> String {
    try graph.contentDigest(threads: 2).hexadecimal
  }

  /// y = x · scale + shift, or with the two exchanged.
  private func affine(scale: Float = 2, shift: Float = 3, isExchanged: Bool = false) throws -> Graph
  {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1]))
    let constants = [
      graph.addConstant(name: "scale", try Tensor([scale], shape: [1])),
      graph.addConstant(name: "shift", try Tensor([shift], shape: [1])),
    ]
    let product = graph.addNode("Mul", [x, constants[isExchanged ? 1 : 0]])
    graph.outputs = [graph.addNode("Add", [product, constants[isExchanged ? 0 : 1]])]
    return graph
  }

  /// One of two bodies, which read a value of the graph around them.
  private func branches(_ number: Float, reading name: String = "a") throws -> Graph {
    var graph = Graph()
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let outer = ["a", "b"].map { graph.addInput(name: $0, type: TensorType(.float, [1])) }
    var body = Graph()
    let captured = body.addValue(name: name)
    body.captures[captured] = outer[name == "a" ? 0 : 1]
    let constant = body.addConstant(name: "number", try Tensor([number], shape: [1]))
    body.outputs = [body.addNode("Add", [captured, constant])]
    graph.outputs = [
      graph.addNode(
        "If", [condition], attributes: ["then_branch": .graph(body), "else_branch": .graph(body)])
    ]
    return graph
  }

  @Test func namesDoNotMatter() throws {
    var renamed = try affine()
    for index in renamed.values.indices { renamed.values[index].name = "value \(index)" }
    for index in renamed.nodes.indices { renamed.nodes[index].name = "node \(index)" }
    renamed.metadata["note"] = "another"
    #expect(try digest(renamed) == digest(affine()))
  }

  @Test func constantsMatter() throws {
    let own = try digest(affine())
    #expect(try digest(affine(scale: 4)) != own)
    #expect(try digest(affine(shift: 4)) != own)
    #expect(try digest(affine(isExchanged: true)) != own)
  }

  @Test func operatorsAndAttributesMatter() throws {
    let own = try affine()
    var other = own
    other.nodes[1].operatorType = "Sub"
    #expect(try digest(other) != digest(own))
    other = own
    other.nodes[1].attributes["axis"] = .int(1)
    #expect(try digest(other) != digest(own))
  }

  @Test func bodiesMatter() throws {
    let own = try digest(branches(1))
    #expect(try digest(branches(1)) == own)
    #expect(try digest(branches(2)) != own)
    #expect(try digest(branches(1, reading: "b")) != own)
  }
}
