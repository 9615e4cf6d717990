import GraftFiles
import GraftGraph
import GraftTensor
import Testing

/// Gradients through If, Loop and Scan against central differences, in double.
@Suite struct ControlGradientTests {
  private static let vector = TensorType(.double, [2])

  private static func captured(_ outer: ValueID, in body: inout Graph) -> ValueID {
    let id = body.addValue(name: "captured_\(outer.index)")
    body.captures[id] = outer
    return id
  }

  private static func check(
    _ graph: Graph, _ inputs: [Tensor], positions: [Int], outputs: [ValueID]
  ) throws {
    let result = try GradientCheck(graph, inputs: inputs, positions: positions, outputs: outputs)
      .result()
    #expect(result.largestDifference < 1e-6)
    #expect(result.elementCount > 0 && result.kinkCount == 0)
  }

  @Test(arguments: [true, false]) func branches(condition: Bool) throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let z = graph.addInput(name: "z", type: Self.vector)
    let flag = graph.addInput(name: "flag", type: TensorType(.bool, []))
    let square = graph.addNode("Mul", [x, x])
    var yes = Graph(name: "yes")
    let product = yes.addNode(
      "Mul", [Self.captured(square, in: &yes), Self.captured(z, in: &yes)])
    yes.outputs = [yes.addNode("Sin", [product])]
    var no = Graph(name: "no")
    no.outputs = [no.addNode("Exp", [Self.captured(x, in: &no)])]
    let y = graph.addNode(
      "If", [flag], attributes: ["then_branch": .graph(yes), "else_branch": .graph(no)])
    try Self.check(
      graph,
      [
        try Tensor([0.5, -1.25], shape: [2]), try Tensor([1.5, 0.75], shape: [2]),
        try Tensor(scalar: condition),
      ], positions: [0, 1], outputs: [y])
  }

  /// The body of a Loop: x ← sin(x · w) + v, with x · x as a scan output.
  private static func loop(_ graph: inout Graph, count: ValueID) throws -> [ValueID] {
    let x = graph.inputs[0]
    let w = graph.inputs[1]
    let v = graph.inputs[2]
    var body = Graph(name: "body")
    _ = body.addInput(name: "trip", type: TensorType(.int64, []))
    let condition = body.addInput(name: "condition", type: TensorType(.bool, []))
    let carried = body.addInput(name: "carried", type: vector)
    let constant = body.addInput(name: "v", type: vector)
    let product = body.addNode("Mul", [carried, captured(w, in: &body)])
    let next = body.addNode("Add", [body.addNode("Sin", [product]), constant])
    body.outputs = [
      body.addNode("Identity", [condition]), next, body.addNode("Identity", [constant]),
      body.addNode("Mul", [carried, carried]),
    ]
    let isTrue = graph.addConstant(try Tensor(scalar: true))
    let outputs = graph.addNode(
      "Loop", [count, isTrue, x, v], attributes: ["body": .graph(body)], outputCount: 3)
    return [outputs[0], outputs[2]]
  }

  @Test(arguments: [0, 1, 2, 5]) func loops(count: Int) throws {
    for isConstant in [true, false] {
      var graph = Graph()
      for name in ["x", "w", "v"] { _ = graph.addInput(name: name, type: Self.vector) }
      let counted = try Tensor(scalar: Int64(count))
      let trips =
        isConstant
        ? graph.addConstant(counted)
        : graph.addInput(name: "count", type: TensorType(.int64, []))
      let outputs = try Self.loop(&graph, count: trips)
      var inputs = [
        try Tensor([0.5, -1.25], shape: [2]), try Tensor([1.5, 0.75], shape: [2]),
        try Tensor([0.25, 0.125], shape: [2]),
      ]
      if !isConstant { inputs.append(counted) }
      try Self.check(
        graph, inputs, positions: [0, 1, 2], outputs: count == 0 ? [outputs[0]] : outputs)
    }
  }

  /// A simple recurrent network: h ← tanh(h · W + x), in both directions, along axis 1.
  @Test(arguments: [0, 1]) func scans(direction: Int) throws {
    var graph = Graph()
    let h = graph.addInput(name: "h", type: TensorType(.double, [1, 2]))
    let x = graph.addInput(name: "x", type: TensorType(.double, [1, 3, 2]))
    let w = graph.addInput(name: "w", type: TensorType(.double, [2, 2]))
    var body = Graph(name: "body")
    let state = body.addInput(name: "state", type: TensorType(.double, [1, 2]))
    let slice = body.addInput(name: "slice", type: TensorType(.double, [1, 2]))
    let product = body.addNode("MatMul", [state, Self.captured(w, in: &body)])
    let next = body.addNode("Tanh", [body.addNode("Add", [product, slice])])
    body.outputs = [next, body.addNode("Mul", [next, slice])]
    let outputs = graph.addNode(
      "Scan", [h, x],
      attributes: [
        "body": .graph(body), "num_scan_inputs": .int(1), "scan_input_axes": .ints([1]),
        "scan_input_directions": .ints([direction]), "scan_output_axes": .ints([1]),
        "scan_output_directions": .ints([1 - direction]),
      ], outputCount: 2)
    try Self.check(
      graph,
      [
        try Tensor([0.5, -0.25], shape: [1, 2]),
        try Tensor([0.1, 0.7, -0.4, 0.3, 0.9, -0.8], shape: [1, 3, 2]),
        try Tensor([0.6, -0.3, 0.2, 0.5], shape: [2, 2]),
      ], positions: [0, 1, 2], outputs: outputs)
  }

  /// A Loop in a Scan, with an If in it.
  @Test func nestedBodies() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.double, [3]))
    let w = graph.addInput(name: "w", type: TensorType(.double, []))
    var scan = Graph(name: "scan")
    let state = scan.addInput(name: "state", type: TensorType(.double, []))
    let slice = scan.addInput(name: "slice", type: TensorType(.double, []))
    let weight = Self.captured(w, in: &scan)
    var loop = Graph(name: "loop")
    let trip = loop.addInput(name: "trip", type: TensorType(.int64, []))
    let condition = loop.addInput(name: "condition", type: TensorType(.bool, []))
    let carried = loop.addInput(name: "carried", type: TensorType(.double, []))
    let inner = (
      weight: Self.captured(weight, in: &loop), slice: Self.captured(slice, in: &loop)
    )
    var yes = Graph(name: "yes")
    yes.outputs = [
      yes.addNode("Mul", [Self.captured(carried, in: &yes), Self.captured(inner.weight, in: &yes)])
    ]
    var no = Graph(name: "no")
    no.outputs = [
      no.addNode(
        "Add",
        [
          Self.captured(carried, in: &no),
          no.addNode("Cos", [Self.captured(inner.slice, in: &no)]),
        ])
    ]
    let isFirst = loop.addNode("Equal", [trip, loop.addConstant(try Tensor(scalar: Int64(0)))])
    let next = loop.addNode(
      "If", [isFirst], attributes: ["then_branch": .graph(yes), "else_branch": .graph(no)])
    loop.outputs = [loop.addNode("Identity", [condition]), next]
    let count = scan.addConstant(try Tensor(scalar: Int64(3)))
    let isTrue = scan.addConstant(try Tensor(scalar: true))
    let looped = scan.addNode("Loop", [count, isTrue, state], attributes: ["body": .graph(loop)])
    scan.outputs = [looped, scan.addNode("Sin", [looped])]
    let initial = graph.addConstant(try Tensor(scalar: 0.5))
    let outputs = graph.addNode(
      "Scan", [initial, x], attributes: ["body": .graph(scan), "num_scan_inputs": .int(1)],
      outputCount: 2)
    try Self.check(
      graph, [try Tensor([0.3, -0.8, 1.2], shape: [3]), try Tensor(scalar: 0.7)],
      positions: [0, 1], outputs: outputs)
  }
}
