import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Chains of elementwise operators against the same operators one by one: equal to the bit.
@Suite struct ElementwiseChainTests {
  /// Random graphs of elementwise operators, with operands that broadcast in every way.
  private struct RandomChain {
    var graph = Graph(name: "chain")
    private(set) var inputs: [Tensor] = []
    private var generator: Generator
    private let shape: Shape

    init(seed: UInt64, shape: Shape) {
      generator = Generator(seed: seed)
      self.shape = shape
    }

    private mutating func tensor(_ shape: Shape) throws -> Tensor {
      try Tensor(generator.floats(shape.elementCount), shape: shape)
    }

    mutating func addInput(isSymbolic: Bool) throws -> ValueID {
      var dimensions = [Dimension](shape)
      if isSymbolic { dimensions[0] = .symbol("N") }
      inputs.append(try tensor(shape))
      return graph.addInput(name: "x\(inputs.count)", type: TensorType(.float, dimensions))
    }

    /// A constant or another input that is broadcast to the shape.
    private mutating func broadcastOperand() throws -> ValueID {
      var extents = shape.map { generator.below(2) == 0 ? 1 : $0 }
      extents = Array(extents.dropFirst(generator.below(extents.count + 1)))
      let tensor = try tensor(extents)
      if generator.below(2) == 0 { return graph.addConstant(tensor) }
      inputs.append(tensor)
      return graph.addInput(
        name: "x\(inputs.count)", type: TensorType(.float, [Dimension](extents)))
    }

    mutating func addNode(from values: [ValueID]) throws -> ValueID {
      let x = values[generator.below(values.count)]
      let y = values[generator.below(values.count)]
      switch generator.below(8) {
      case 0:
        let names = ["Relu", "Exp", "Tanh", "Sigmoid", "Neg", "Abs", "Erf", "Softplus", "Mish"]
        return graph.addNode(names[generator.below(names.count)], [x])
      case 1: return graph.addNode("LeakyRelu", [x], attributes: ["alpha": .float(0.3)])
      case 2: return graph.addNode("Gelu", [x], attributes: ["approximate": .string("tanh")])
      case 3:
        let low = graph.addConstant(try Tensor(scalar: Float(-0.5)))
        return graph.addNode("Clip", [x, low])
      case 4:
        let names = ["Sum", "Max", "Min"]
        return graph.addNode(
          names[generator.below(names.count)], [x, y, try broadcastOperand()])
      case 5 where shape.count > 1:
        let parameters = try (0..<3).map { _ in graph.addConstant(try tensor([shape[1]])) }
        let variance = graph.addConstant(
          try Tensor(generator.floats(shape[1]).map { $0 + 1.5 }, shape: [shape[1]]))
        return graph.addNode("BatchNormalization", [x] + parameters + [variance])
      default:
        let names = ["Add", "Sub", "Mul", "Max", "Div"]
        let operands =
          switch generator.below(3) {
          case 0: [x, y]
          case 1: [x, try broadcastOperand()]
          default: [try broadcastOperand(), x]
          }
        return graph.addNode(names[generator.below(names.count)], operands)
      }
    }
  }

  static let shapes: [Shape] = [
    [2, 3, 5, 7], [1, 16, 14, 14], [3, 8, 40, 33], [5], [3000], [4, 1, 700], [2, 6, 9, 16],
    [1, 40, 7, 7],
  ]

  @Test(arguments: shapes)
  func bitsAreThoseOfSingleOperators(_ shape: Shape) throws {
    var fusedCount = 0
    for seed in 1...12 {
      var chain = RandomChain(seed: UInt64(seed) * 977, shape: shape)
      var values = [try chain.addInput(isSymbolic: true), try chain.addInput(isSymbolic: true)]
      for _ in 0..<(2 + seed) { values.append(try chain.addNode(from: values)) }
      chain.graph.outputs = seed % 3 == 0 ? [values[3], values[values.count - 1]] : [values.last!]
      var plain = Executable.Options()
      plain.optimizes = false
      let expected = try Session(try Executable(chain.graph, options: plain)).run(chain.inputs)
      for threads in [1, 3] {
        var options = Executable.Options()
        options.threadCount = threads
        let executable = try Executable(chain.graph, options: options)
        fusedCount += executable.graph.nodes.count { $0.operatorType == "FusedElementwise" }
        let outputs = try Session(executable).run(chain.inputs)
        for (output, expected) in zip(outputs, expected) {
          #expect(output.shape == expected.shape)
          let bits = try output.elements(as: Float.self).map(\.bitPattern)
          let expectedBits = try expected.elements(as: Float.self).map(\.bitPattern)
          #expect(bits == expectedBits, "seed \(seed), \(threads) threads")
        }
      }
    }
    #expect(fusedCount > 0)
  }

  @Test func chainStopsWhereAValueIsReadElsewhere() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 4]))
    let first = graph.addNode("Exp", [graph.addNode("Neg", [x])])
    let second = graph.addNode("Add", [graph.addNode("Tanh", [first]), first])
    graph.outputs = [first, second]
    let executable = try Executable(graph)
    #expect(
      executable.graph.nodes.map { try? AttributeReader($0.attributes).strings("operators") }
        == [["Neg", "Exp"], ["Tanh", "Add"]])
  }

  @Test func otherShapesAndTypesStay() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [4, 1]))
    let wide = graph.addInput(name: "wide", type: TensorType(.double, [4]))
    let y = graph.addInput(name: "y", type: TensorType(.float, [1, 3]))
    let outer = graph.addNode("Mul", [graph.addNode("Exp", [x]), graph.addNode("Exp", [y])])
    graph.outputs = [outer, graph.addNode("Neg", [graph.addNode("Exp", [wide])])]
    let operators = try Executable(graph).graph.nodes.map(\.operatorType)
    #expect(operators == ["Exp", "Exp", "Mul", "Exp", "Neg"])
  }

  /// A convolution keeps its activation; only the functions after it form a chain.
  @Test func activationsStayWithConvolutions() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1, 2, 5, 5]))
    let weights = graph.addConstant(
      try Tensor((0..<4).map { Float($0) }, shape: [2, 2, 1, 1]))
    var value = graph.addNode("Relu", [graph.addNode("Conv", [x, weights])])
    value = graph.addNode("Exp", [graph.addNode("Neg", [value])])
    graph.outputs = [value]
    let operators = try Executable(graph).graph.nodes.map(\.operatorType)
    #expect(operators == ["BlockedConv", "FusedElementwise", "FromBlocked"])
  }
}
