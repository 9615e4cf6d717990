import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTensor
import Testing

/// Passes act on what operators say of themselves: all of the catalog that say so take part.
@Suite struct OperatorMemberTests {
  struct Subject: CustomTestStringConvertible, Sendable {
    let type: any Operator.Type
    let example: OperatorExample
    var testDescription: String { type.schema.name }

    /// A node with the first example's attributes.
    func node(_ inputs: [ValueID?], _ output: ValueID) -> Node {
      Node(
        operatorType: type.schema.name, domain: type.schema.domain, inputs: inputs,
        outputs: [output], attributes: example.attributes)
    }

    var operandCount: Int { min(type.operandCount, example.inputs.count) }
  }

  static let elementwise = OperatorCatalog.operators.filter { $0.operandCount > 0 }.map {
    Subject(type: $0, example: $0.examples[0])
  }

  /// The Transposes in front of the operands are one behind the operator.
  @Test(arguments: elementwise)
  func transposesMovePastElementwiseOperators(_ subject: Subject) throws {
    var graph = Graph(name: "test")
    var sources: [ValueID?] = []
    let inputs = subject.example.inputs.enumerated().map { index, tensor -> ValueID? in
      guard let tensor else { return nil }
      guard index < subject.operandCount else { return graph.addConstant(tensor) }
      let source = graph.addInput(name: "x\(index)", type: TensorType(tensor.elementType, [2, 3]))
      sources.append(source)
      return graph.addNode("Transpose", [source], attributes: ["perm": .ints([1, 0])])
    }
    let output = graph.addValue(name: "y")
    graph.nodes.append(subject.node(inputs, output))
    graph.outputs = [output]
    try graph.inferTypes()
    let type = try #require(graph[output].type)
    let didMove = try LayoutSelection.run(&graph)
    #expect(didMove)
    let moved = try #require(graph.nodes.first { $0.operatorType == subject.type.schema.name })
    #expect(Array(moved.inputs.prefix(sources.count)) == sources)
    #expect(graph.nodes.last?.operatorType == "Transpose")
    #expect(graph.nodes.last?.outputs == [output])
    try graph.inferTypes()
    #expect(graph[output].type == type)
  }

  /// The operator between two convolutions; `nil` if it does not map floats to floats.
  private static func network(_ subject: Subject) throws -> Graph? {
    var graph = Graph(name: "test")
    func convolution(_ input: ValueID) throws -> ValueID {
      let weights = try Tensor([Float](repeating: 0.1, count: 16 * 16), shape: [16, 16, 1, 1])
      return graph.addNode("Conv", [input, graph.addConstant(weights)])
    }
    let x = graph.addInput(name: "x", type: TensorType(.float, [1, 16, 4, 4]))
    let value = try convolution(x)
    let inputs = subject.example.inputs.enumerated().map { index, tensor -> ValueID? in
      index < subject.operandCount ? value : tensor.map { graph.addConstant($0) }
    }
    let result = graph.addValue(name: "y")
    graph.nodes.append(subject.node(inputs, result))
    graph.outputs = [try convolution(result)]
    guard (try? graph.inferTypes()) != nil else { return nil }
    return graph[result].type?.tensor?.elementType == .float ? graph : nil
  }

  @Test(arguments: elementwise)
  func blockedLayoutHoldsThroughElementwiseOperators(_ subject: Subject) throws {
    guard var graph = try Self.network(subject) else {
      // Operators over integers and truth values.
      #expect(
        !Self.takesFloats(subject), "\(subject.testDescription) is not in a network of floats")
      return
    }
    _ = try BlockedLayout.run(&graph)
    let types = graph.nodes.map(\.operatorType)
    #expect(
      types == ["ToBlocked", "BlockedConv", subject.type.schema.name, "BlockedConv", "FromBlocked"])
  }

  /// Whether the first example maps floats to floats.
  private static func takesFloats(_ subject: Subject) -> Bool {
    subject.example.inputs.prefix(subject.operandCount).allSatisfy { $0?.elementType == .float }
      && subject.example.outputs[0]?.elementType == .float
  }

  /// An activation that says how it is fused becomes part of the convolution in front of it.
  @Test func activationsAreFused() throws {
    var fused: [String] = []
    for subject in Self.elementwise where Self.takesFloats(subject) {
      guard var graph = try Self.network(subject) else { continue }
      guard try ActivationFusion.run(&graph), graph.nodes.count == 2 else { continue }
      #expect(graph.nodes[0].operatorType == "FusedConv")
      fused.append(subject.type.schema.name)
    }
    #expect(
      fused.sorted() == [
        "Clip", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Swish",
        "Tanh",
      ])
  }

  /// Operators that combine any number of inputs pass a single one on.
  @Test func singleInputsPassThrough() throws {
    let variadic = OperatorCatalog.operators.filter {
      $0.schema.inputs == 1...OperatorSchema.unlimited && $0.schema.domain.isEmpty
        && !["Einsum", "SequenceConstruct", "SequenceMap"].contains($0.schema.name)
    }
    #expect(
      Set(variadic.map { $0.schema.name }).isSuperset(of: ["Concat", "Max", "Mean", "Min", "Sum"]))
    for type in variadic {
      try expectIdentity(type, attributes: ["axis": .int(0)], [nil], true)
    }
  }

  @Test func operatorsThatChangeNothingGo() throws {
    let zeros = try Tensor([Int64](repeating: 0, count: 4), shape: [4])
    let float: [ByteString: Attribute] = ["to": .int(Int(ElementType.float.rawValue))]
    let double: [ByteString: Attribute] = ["to": .int(Int(ElementType.double.rawValue))]
    try expectIdentity(Identity.self, [nil], true)
    try expectIdentity(Dropout.self, [nil], true)
    try expectIdentity(
      Dropout.self, [nil, try Tensor(scalar: Float(0.5)), try Tensor([false], shape: [])], true)
    try expectIdentity(
      Dropout.self, [nil, try Tensor(scalar: Float(0.5)), try Tensor([true], shape: [])], false)
    try expectIdentity(Cast.self, attributes: float, [nil], true)
    try expectIdentity(Cast.self, attributes: double, [nil], false)
    try expectIdentity(CastLike.self, [nil, try Tensor(scalar: Float(1))], true)
    try expectIdentity(CastLike.self, [nil, zeros], false)
    try expectIdentity(Transpose.self, attributes: ["perm": .ints([0, 1])], [nil], true)
    try expectIdentity(Transpose.self, attributes: ["perm": .ints([1, 0])], [nil], false)
    try expectIdentity(Pad.self, [nil, zeros], true)
    try expectIdentity(Pad.self, [nil, try Tensor([0, 1, 0, 0] as [Int64], shape: [4])], false)
    try expectIdentity(Sum.self, [nil, try Tensor(scalar: Float(1))], false)
    try expectIdentity(Relu.self, [nil], false)
  }

  /// - Parameter inputs: `nil` for the graph's input `[2, 3]`
  private func expectIdentity(
    _ type: any Operator.Type, attributes: [ByteString: Attribute] = [:], _ inputs: [Tensor?],
    _ isIdentity: Bool
  ) throws {
    var graph = Graph(name: "test")
    let x = graph.addInput(name: "x", type: TensorType(.float, [2, 3]))
    let operands = inputs.map { tensor in tensor.map { graph.addConstant($0) } ?? x }
    let output = graph.addNode(type.schema.name, operands, attributes: attributes)
    graph.outputs = [graph.addNode("Relu", [output])]
    try graph.inferTypes()
    let didRemove = try IdentityElimination.run(&graph)
    #expect(didRemove == isIdentity, "\(type.schema.name)")
    #expect(graph.nodes.last?.inputs == [isIdentity ? x : output], "\(type.schema.name)")
  }
}
