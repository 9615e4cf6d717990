import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// The operator Gradient, which differentiates the graph that it is in.
@Suite struct GradientOperatorTests {
  private static let vector = TensorType(.double, [3])

  /// A Gradient of y by the xs, at given values or at the tensors themselves.
  private static func gradients(
    of y: ValueID, by xs: [ValueID], zs: [ValueID] = [], at given: [ValueID]? = nil,
    in graph: inout Graph
  ) -> [ValueID] {
    let names = xs.map { graph[$0].name }
    return graph.addNode(
      "Gradient", domain: OperatorDomain.previewTraining,
      (given ?? xs + zs) + xs + zs + [y],
      attributes: [
        "xs": .strings(names), "zs": .strings(zs.map { graph[$0].name }),
        "y": .string(graph[y].name),
      ], outputCount: xs.count)
  }

  private static func tensor(_ elements: [Double]) throws -> Tensor {
    try Tensor(elements, shape: [elements.count])
  }

  /// Runs a graph, lowered and as it is.
  private static func run(_ graph: Graph, _ inputs: [Tensor]) throws -> [[Double]] {
    var options = Executable.Options()
    let results = try Session(Executable(graph, options: options)).run(inputs)
    options.optimizes = false
    let plain = try Session(Executable(graph, options: options)).run(inputs)
    for (one, other) in zip(results, plain) {
      for (a, b) in zip(try one.elements(as: Double.self), try other.elements(as: Double.self)) {
        #expect(abs(a - b) <= 1e-12 * max(1, abs(b)))
      }
    }
    return try plain.map { try $0.elements() }
  }

  private static func expect(
    _ found: [Double], _ expected: [Double], location: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: location)
    for (a, b) in zip(found, expected) {
      #expect(
        abs(a - b) <= 1e-12 * max(1, abs(b)), "\(found) \(expected)", sourceLocation: location)
    }
  }

  private static let a = [0.5, -1.25, 2]
  private static let b = [1.5, 0.75, -0.5]

  /// h = a · b, y = sum(h · a): dy/da = 2 a b, dy/db = a², dy/dh = a.
  private static func products(
    _ graph: inout Graph
  ) -> (a: ValueID, b: ValueID, h: ValueID, y: ValueID) {
    let a = graph.addInput(name: "a", type: vector)
    let b = graph.addInput(name: "b", type: vector)
    let h = graph.addNode("Mul", [a, b], outputName: "h")
    let product = graph.addNode("Mul", [h, a])
    let y = graph.addNode(
      "ReduceSum", [product], attributes: ["keepdims": .int(0)], outputName: "y")
    return (a, b, h, y)
  }

  @Test func differentiatesAtItsTensors() throws {
    var graph = Graph()
    let (a, b, h, y) = Self.products(&graph)
    graph.outputs =
      Self.gradients(of: y, by: [a, b], in: &graph)
      + Self.gradients(of: y, by: [b], zs: [a], in: &graph)
      // The path through h is not one of y by a, when h is a variable.
      + Self.gradients(of: y, by: [h], in: &graph)
    let results = try Self.run(graph, [try Self.tensor(Self.a), try Self.tensor(Self.b)])
    Self.expect(results[0], zip(Self.a, Self.b).map { 2 * $0 * $1 })
    Self.expect(results[1], Self.a.map { $0 * $0 })
    Self.expect(results[2], Self.a.map { $0 * $0 })
    Self.expect(results[3], Self.a)
  }

  /// Also where one value is given for two tensors, and where they are given in another order.
  @Test func differentiatesAtOtherValues() throws {
    var graph = Graph()
    let (a, b, h, y) = Self.products(&graph)
    let c = graph.addInput(name: "c", type: Self.vector)
    graph.outputs =
      Self.gradients(of: y, by: [a, b], at: [c, c], in: &graph)
      + Self.gradients(of: y, by: [a, b], at: [b, a], in: &graph)
      + Self.gradients(of: y, by: [a, b], at: [a, a], in: &graph)
      + Self.gradients(of: y, by: [h], at: [c], in: &graph)
    let other = [3, -2, 0.25]
    let results = try Self.run(
      graph, [try Self.tensor(Self.a), try Self.tensor(Self.b), try Self.tensor(other)])
    Self.expect(results[0], other.map { 2 * $0 * $0 })
    Self.expect(results[1], other.map { $0 * $0 })
    Self.expect(results[2], zip(Self.a, Self.b).map { 2 * $0 * $1 })
    Self.expect(results[3], Self.b.map { $0 * $0 })
    Self.expect(results[4], Self.a.map { 2 * $0 * $0 })
    Self.expect(results[5], Self.a.map { $0 * $0 })
    Self.expect(results[6], Self.a)
  }

  /// The given values may have other shapes than the tensors.
  @Test func differentiatesAtOtherShapes() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let y = graph.addNode("ReduceMean", [graph.addNode("Mul", [x, x])])
    let z = graph.addInput(name: "z", type: TensorType(.double, [2, 2]))
    graph.outputs = Self.gradients(of: y, by: [x], at: [z], in: &graph)
    let results = try Self.run(
      graph, [try Self.tensor(Self.a), try Tensor([1.0, 2, 3, 4], shape: [2, 2])])
    Self.expect(results[0], [0.5, 1, 1.5, 2])
  }

  /// y = x³: 3 x², 6 x, 6; a result with several elements is summed.
  @Test func differentiatesDerivatives() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let cube = graph.addNode("Mul", [graph.addNode("Mul", [x, x]), x])
    var outputs = Self.gradients(of: cube, by: [x], in: &graph)
    outputs += Self.gradients(of: outputs[0], by: [x], in: &graph)
    outputs += Self.gradients(of: outputs[1], by: [x], in: &graph)
    outputs += Self.gradients(of: outputs[2], by: [x], in: &graph)
    graph.outputs = outputs
    let results = try Self.run(graph, [try Self.tensor(Self.a)])
    Self.expect(results[0], Self.a.map { 3 * $0 * $0 })
    Self.expect(results[1], Self.a.map { 6 * $0 })
    Self.expect(results[2], [6, 6, 6])
    Self.expect(results[3], [0, 0, 0])
  }

  /// The gradient pass differentiates a Gradient, too: of (dy/dx)² with y = x³.
  @Test func gradientPassGoesThroughGradients() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let cube = graph.addNode("Mul", [graph.addNode("Mul", [x, x]), x])
    let slope = Self.gradients(of: cube, by: [x], in: &graph)[0]
    let loss = graph.addNode(
      "ReduceSum", [graph.addNode("Mul", [slope, slope])], attributes: ["keepdims": .int(0)])
    let found = try GradientPass.append(to: &graph, loss: loss, targets: [x])
    graph.outputs = [try #require(found[x])]
    // (3 x²)² = 9 x⁴
    Self.expect(
      try Self.run(graph, [try Self.tensor(Self.a)])[0], Self.a.map { 36 * $0 * $0 * $0 })
  }

  @Test func nothingDependsOnIt() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let z = graph.addInput(name: "z", type: Self.vector)
    let y = graph.addNode("Exp", [z])
    graph.outputs =
      Self.gradients(of: y, by: [x], in: &graph) + Self.gradients(of: x, by: [x, z], in: &graph)
    let results = try Self.run(graph, [try Self.tensor(Self.a), try Self.tensor(Self.b)])
    Self.expect(results[0], [0, 0, 0])
    Self.expect(results[1], [1, 1, 1])
    Self.expect(results[2], [0, 0, 0])
  }

  /// Through a Loop, which gives out more for it: h ← sin(h) three times.
  @Test func differentiatesALoop() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    var body = Graph(name: "body")
    _ = body.addInput(name: "trip", type: TensorType(.int64, []))
    let condition = body.addInput(name: "condition", type: TensorType(.bool, []))
    let h = body.addInput(name: "h", type: Self.vector)
    body.outputs = [body.addNode("Identity", [condition]), body.addNode("Sin", [h])]
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let y = graph.addNode("Loop", [count, nil, x], attributes: ["body": .graph(body)])
    let doubled = graph.addNode("Add", [x, x])
    graph.outputs =
      Self.gradients(of: y, by: [x], in: &graph)
      + Self.gradients(of: y, by: [x], at: [doubled], in: &graph) + [y]
    let results = try Self.run(graph, [try Self.tensor(Self.a), try Tensor(scalar: Int64(2))])
    func slope(_ x: Double) -> Double { cos(x) * cos(sin(x)) }
    Self.expect(results[0], Self.a.map(slope))
    Self.expect(results[1], Self.a.map { slope(2 * $0) })
    Self.expect(results[2], Self.a.map { sin(sin($0)) })
  }

  /// Training inside of a model: a Loop whose body computes a loss, its Gradient and a Momentum
  /// step. The data are captured.
  @Test func trainsInALoop() throws {
    var graph = Graph()
    let start = graph.addInput(name: "start", type: Self.vector)
    let goal = graph.addInput(name: "goal", type: Self.vector)
    let factor = graph.addConstant(try Tensor(scalar: 2.0))
    let scaled = graph.addNode("Mul", [goal, factor])
    var body = Graph(name: "step")
    let trip = body.addInput(name: "trip", type: TensorType(.int64, []))
    let condition = body.addInput(name: "condition", type: TensorType(.bool, []))
    let w = body.addInput(name: "w", type: Self.vector)
    let velocity = body.addInput(name: "velocity", type: Self.vector)
    let target = body.addValue(name: "target")
    body.captures[target] = scaled
    let difference = body.addNode("Sub", [w, target])
    let loss = body.addNode("ReduceSum", [body.addNode("Mul", [difference, difference])])
    let gradient = Self.gradients(of: loss, by: [w], zs: [target], in: &body)[0]
    let rate = body.addConstant(try Tensor(scalar: 0.125))
    let updated = body.addNode(
      "Momentum", domain: OperatorDomain.previewTraining, [rate, trip, w, gradient, velocity],
      attributes: [
        "alpha": .float(0.5), "beta": .float(0.75), "norm_coefficient": .float(0.25),
        "mode": .string("nesterov"),
      ], outputCount: 2)
    body.outputs = [body.addNode("Identity", [condition])] + updated + [loss]
    let count = graph.addConstant(try Tensor(scalar: Int64(5)))
    let zeros = graph.addNode("Sub", [start, start])
    graph.outputs = graph.addNode(
      "Loop", [count, nil, start, zeros], attributes: ["body": .graph(body)], outputCount: 3)
    let results = try Self.run(graph, [try Self.tensor(Self.a), try Self.tensor(Self.b)])

    var (weights, velocities, losses) = (Self.a, [0.0, 0, 0], [Double]())
    for step in 0..<5 {
      losses.append(zip(weights, Self.b).reduce(0) { $0 + ($1.0 - 2 * $1.1) * ($1.0 - 2 * $1.1) })
      for i in 0..<3 {
        let gradient = 0.25 * weights[i] + 2 * (weights[i] - 2 * Self.b[i])
        velocities[i] = 0.5 * velocities[i] + (step > 0 ? 0.75 : 1) * gradient
        weights[i] -= 0.125 * (gradient + 0.5 * velocities[i])
      }
    }
    Self.expect(results[0], weights)
    Self.expect(results[1], velocities)
    Self.expect(results[2], losses)
  }

  // MARK: - Errors

  private static func expectError(
    _ code: GraftError.Code, _ part: String, _ fill: (inout Graph) throws -> [ValueID]
  ) throws {
    var graph = Graph()
    graph.outputs = try fill(&graph)
    TestSupport.expectError(code, part) { _ = try Executable(graph) }
  }

  @Test func variablesMustBeIndependent() throws {
    try Self.expectError(.badData, "'h', named in 'xs' or 'zs', is computed from others") { graph in
      let (a, _, h, y) = Self.products(&graph)
      return Self.gradients(of: y, by: [a, h], in: &graph)
    }
    try Self.expectError(.badData, "name a tensor twice") { graph in
      let (a, _, _, y) = Self.products(&graph)
      return Self.gradients(of: y, by: [a], zs: [a], in: &graph)
    }
  }

  @Test func onlyFloatsAreDifferentiated() throws {
    try Self.expectError(.badData, "int64") { graph in
      let x = graph.addInput(name: "x", type: TensorType(.int64, [3]))
      return Self.gradients(of: graph.addNode("Neg", [x]), by: [x], in: &graph)
    }
    try Self.expectError(.badData, "bool") { graph in
      let x = graph.addInput(name: "x", type: Self.vector)
      return Self.gradients(of: graph.addNode("IsNaN", [x]), by: [x], in: &graph)
    }
    try Self.expectError(.unavailable, "DetGradient has no gradient yet") { graph in
      let x = graph.addInput(name: "x", type: TensorType(.double, [3, 3]))
      let slope = Self.gradients(of: graph.addNode("Det", [x]), by: [x], in: &graph)[0]
      return Self.gradients(of: slope, by: [x], in: &graph)
    }
  }

  @Test func numbersOfInputsAndOutputsMustFit() throws {
    try Self.expectError(.badData, "expected 3") { graph in
      let (a, _, _, y) = Self.products(&graph)
      let outputs = Self.gradients(of: y, by: [a], in: &graph)
      graph.nodes[graph.nodes.count - 1].inputs.removeLast()
      return outputs
    }
    try Self.expectError(.badData, "expected one for each of the 1 tensors") { graph in
      let (a, _, _, y) = Self.products(&graph)
      let outputs = Self.gradients(of: y, by: [a], in: &graph)
      graph.nodes[graph.nodes.count - 1].outputs.append(graph.addValue())
      return outputs
    }
  }

  /// What a captured value depends on is not known in the body.
  @Test func bodiesDifferentiateWhatTheyCompute() throws {
    func branches(isIndependent: Bool) throws -> Graph {
      var graph = Graph()
      let x = graph.addInput(name: "x", type: Self.vector)
      let z = graph.addInput(name: "z", type: Self.vector)
      let h = isIndependent ? z : graph.addNode("Mul", [x, z])
      let flag = graph.addInput(name: "flag", type: TensorType(.bool, []))
      func body(_ name: String) -> Graph {
        var body = Graph(name: name)
        let inner = body.addValue(name: "x", type: .tensor(Self.vector))
        let other = body.addValue(name: "h", type: .tensor(Self.vector))
        body.captures = [inner: x, other: h]
        let y = body.addNode("Mul", [body.addNode("Mul", [inner, inner]), other])
        body.outputs = Self.gradients(of: y, by: [inner], in: &body)
        return body
      }
      graph.outputs = [
        graph.addNode(
          "If", [flag],
          attributes: ["then_branch": .graph(body("yes")), "else_branch": .graph(body("no"))])
      ]
      return graph
    }
    let inputs = [try Self.tensor(Self.a), try Self.tensor(Self.b), try Tensor(scalar: true)]
    let results = try Self.run(try branches(isIndependent: true), inputs)
    Self.expect(results[0], zip(Self.a, Self.b).map { 2 * $0 * $1 })
    TestSupport.expectError(.unavailable, "'h' is computed around it") {
      _ = try Executable(try branches(isIndependent: false))
    }
  }

  /// Each derivative has several times the nodes of the one before.
  @Test(.timeLimit(.minutes(1))) func derivativesHaveAnEnd() throws {
    try Self.expectError(.unavailable, "become too many nodes") { graph in
      let x = graph.addInput(name: "x", type: Self.vector)
      var y = graph.addNode("Tanh", [graph.addNode("Mul", [x, x])])
      for _ in 0..<40 { y = Self.gradients(of: y, by: [x], in: &graph)[0] }
      return [y]
    }
    try Self.expectError(.unavailable, "differentiate too many nodes") { graph in
      let x = graph.addInput(name: "x", type: Self.vector)
      let y = graph.addNode("Neg", [x])
      for _ in 0..<3000 { _ = Self.gradients(of: y, by: [x], in: &graph) }
      return [y]
    }
  }
}
