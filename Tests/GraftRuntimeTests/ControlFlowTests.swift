import CTestSupport
import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// If, Loop and Scan; expected values follow from the bodies' formulas, or come from ONNX's
/// reference evaluator where a comment says so.
@Suite struct ControlFlowTests {
  private static let vector = TensorType(.float, [2])
  private static let anyVector = TensorType(.float, [.symbol("N")])

  private static func sessions(_ graph: Graph) throws -> [Session] {
    try [true, false].map { optimizes in
      var options = Executable.Options()
      options.optimizes = optimizes
      return Session(try Executable(graph, options: options))
    }
  }

  private static func flag(_ value: Bool) throws -> Tensor { try Tensor(scalar: value) }

  // MARK: If

  @Test func branchesReadValuesOfTheEnclosingGraph() throws {
    var graph = Graph()
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let x = graph.addInput(name: "x", type: Self.vector)
    let sum = graph.addNode("Add", [x, x])
    graph.outputs = [
      graph.addNode(
        "If", [condition],
        attributes: [
          "then_branch": .graph(
            .body { body, _ in [body.addNode("Neg", [body.captured(sum)])] }),
          "else_branch": .graph(
            try .body { body, _ in
              [body.addNode("Mul", [body.captured(x), try body.scalar(Float(10))])]
            }),
        ])
    ]
    let input = try Tensor.vector([1, 2])
    for session in try Self.sessions(graph) {
      for _ in 0..<2 {
        let yes = try session.run([try Self.flag(true), input])[0]
        #expect(try yes.elements(as: Float.self) == [-2, -4])
        let no = try session.run([try Self.flag(false), input])[0]
        #expect(try no.elements(as: Float.self) == [10, 20])
      }
    }
  }

  @Test func branchesMayHaveDifferentShapes() throws {
    var graph = Graph()
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let x = graph.addInput(name: "x", type: Self.anyVector)
    let chosen = graph.addNode(
      "If", [condition],
      attributes: [
        "then_branch": .graph(
          .body { body, _ in
            let x = body.captured(x)
            return [body.addNode("Concat", [x, x], attributes: ["axis": .int(0)])]
          }),
        "else_branch": .graph(.body { body, _ in [body.captured(x)] }),
      ])
    graph.outputs = [graph.addNode("Add", [chosen, chosen])]
    for session in try Self.sessions(graph) {
      for count in [1, 3] {
        let x = try Tensor.vector((0..<count).map(Float.init))
        let yes = try session.run([try Self.flag(true), x])[0]
        #expect(yes.shape == [2 * count])
        let no = try session.run([try Self.flag(false), x])[0]
        #expect(try no.elements(as: Float.self) == (0..<count).map { 2 * Float($0) })
      }
    }
  }

  @Test func branchThatDoesNotFitIsAnErrorOnlyIfItRuns() throws {
    var graph = Graph()
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let x = graph.addInput(name: "x", type: Self.vector)
    graph.outputs = [
      graph.addNode(
        "If", name: "choice", [condition],
        attributes: [
          "then_branch": .graph(
            try .body("bad") { body, _ in
              let three = body.addConstant(try Tensor.vector([1, 2, 3]))
              return [body.addNode("Add", name: "sum", [body.captured(x), three])]
            }),
          "else_branch": .graph(.body { body, _ in [body.addNode("Neg", [body.captured(x)])] }),
        ])
    ]
    let input = try Tensor.vector([1, 2])
    for session in try Self.sessions(graph) {
      let no = try session.run([try Self.flag(false), input])[0]
      #expect(try no.elements(as: Float.self) == [-1, -2])
      expectError(.badData, "If 'choice'", "graph 'bad'", "Add 'sum'", "broadcast") {
        try session.run([try Self.flag(true), input])
      }
    }
  }

  @Test func constantConditionsAreDecidedBeforeRunning() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    graph.outputs = [
      graph.addNode(
        "If", [try graph.scalar(true)],
        attributes: [
          "then_branch": .graph(.body { body, _ in [body.addNode("Neg", [body.captured(x)])] }),
          "else_branch": .graph(.body { body, _ in [body.captured(x)] }),
        ])
    ]
    let executable = try Executable(graph)
    #expect(executable.graph.nodes.map(\.operatorType) == ["Neg"])
    let y = try Session(executable).run([try Tensor.vector([1, 2])])[0]
    #expect(try y.elements(as: Float.self) == [-1, -2])
  }

  // MARK: Loop

  /// x ← x + step, with the sum so far as a scan output, while trip < limit.
  private static func counting(limit: Int64?) throws -> Graph {
    var graph = Graph()
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let x = graph.addInput(name: "x", type: vector)
    let step = graph.addInput(name: "step", type: vector)
    let body = try Graph.loopBody([("sum", vector)]) { body, trip, condition, carried in
      let next = body.addNode("Add", [carried[0], body.captured(step)])
      let goesOn =
        try limit.map { body.addNode("Less", [trip, try body.scalar($0)]) }
        ?? body.addNode("Identity", [condition])
      return [goesOn, next, body.addNode("Identity", [next])]
    }
    graph.outputs = graph.addNode(
      "Loop", [count, condition, x], attributes: ["body": .graph(body)], outputCount: 2)
    return graph
  }

  @Test func loopsCarryValuesAndStackScanOutputs() throws {
    for session in try Self.sessions(Self.counting(limit: nil)) {
      for count in [3, 0, 1, 4] {
        let y = try session.run([
          try Tensor(scalar: Int64(count)), try Self.flag(true), try Tensor.vector([1, 2]),
          try Tensor.vector([10, 20]),
        ])
        let sums = (0...count).map { trip -> [Float] in
          [1 + 10 * Float(trip), 2 + 20 * Float(trip)]
        }
        #expect(try y[0].elements(as: Float.self) == sums[count])
        #expect(y[1].shape == [count, 2])
        #expect(try y[1].elements(as: Float.self) == Array(sums.dropFirst().joined()))
      }
      let none = try session.run([
        try Tensor(scalar: Int64(5)), try Self.flag(false), try Tensor.vector([1, 2]),
        try Tensor.vector([10, 20]),
      ])
      #expect(try none[0].elements(as: Float.self) == [1, 2])
      #expect(none[1].shape == [0, 2])
    }
  }

  @Test func conditionsEndLoops() throws {
    for session in try Self.sessions(Self.counting(limit: 2)) {
      let y = try session.run([
        try Tensor(scalar: Int64.max), try Self.flag(true), try Tensor.vector([0, 0]),
        try Tensor.vector([1, 2]),
      ])
      // The condition holds after trips 0 and 1, not after 2.
      #expect(try y[0].elements(as: Float.self) == [3, 6])
      #expect(y[1].shape == [3, 2])
    }
  }

  /// The specification ignores the body's condition where the node has none.
  @Test func conditionWithoutInputIsIgnored() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let count = graph.addInput(name: "count", type: TensorType(.int64, [1]))
    let body = try Graph.loopBody([("sum", Self.vector)]) { body, _, _, carried in
      [try body.scalar(false), body.addNode("Add", [carried[0], carried[0]])]
    }
    graph.outputs = [
      graph.addNode("Loop", [count, nil, x], attributes: ["body": .graph(body)])
    ]
    for session in try Self.sessions(graph) {
      let y = try session.run([
        try Tensor.vector([1, 2]), try Tensor([3] as [Int64], shape: [1]),
      ])
      #expect(try y[0].elements(as: Float.self) == [8, 16])
    }
  }

  @Test func shapesMayChangeBetweenTrips() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.anyVector)
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    // The file declares the shape of the first trip only.
    let body = try Graph.loopBody([("grown", TensorType(.float, [1]))]) {
      body, trip, condition, carried in
      let cast = body.addNode(
        "Cast", [trip], attributes: ["to": .int(Int(ElementType.float.rawValue))])
      let axis = body.addConstant(try Tensor([0] as [Int64], shape: [1]))
      let row = body.addNode("Unsqueeze", [cast, axis])
      return [
        body.addNode("Identity", [condition]),
        body.addNode("Concat", [carried[0], row], attributes: ["axis": .int(0)]),
      ]
    }
    let grown = graph.addNode(
      "Loop", [count, try graph.scalar(true), x], attributes: ["body": .graph(body)])
    graph.outputs = [graph.addNode("Neg", [grown])]
    for session in try Self.sessions(graph) {
      for count in [4, 2, 0] {
        let y = try session.run([try Tensor.vector([7]), try Tensor(scalar: Int64(count))])
        #expect(try y[0].elements(as: Float.self) == [-7] + (0..<count).map { -Float($0) })
      }
    }
  }

  /// A Loop in a Loop, whose If reads what the outermost graph computes.
  @Test func bodiesReadValuesTwoLevelsUp() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let outerCount = graph.addInput(name: "outer_count", type: TensorType(.int64, []))
    let innerCount = graph.addInput(name: "inner_count", type: TensorType(.int64, []))
    let twice = graph.addNode("Add", [x, x])
    let outer = try Graph.loopBody([("a", Self.vector)]) { outer, outerTrip, condition, carried in
      let (twice, count) = (outer.captured(twice), outer.captured(innerCount))
      let inner = try Graph.loopBody([("b", Self.vector)]) { inner, innerTrip, condition, carried in
        let zero = try inner.scalar(Int64(0))
        let isFirst = inner.addNode("Equal", [innerTrip, zero])
        let (twice, b) = (inner.captured(twice), carried[0])
        let next = inner.addNode(
          "If", [isFirst],
          attributes: [
            "then_branch": .graph(
              .body { body, _ in [body.addNode("Add", [body.captured(b), body.captured(twice)])] }),
            "else_branch": .graph(
              .body { body, _ in [body.addNode("Neg", [body.captured(b)])] }),
          ])
        return [inner.addNode("Identity", [condition]), next]
      }
      let next = outer.addNode(
        "Loop", [count, try outer.scalar(true), carried[0]], attributes: ["body": .graph(inner)])
      return [outer.addNode("Identity", [condition]), next, outer.addNode("Identity", [outerTrip])]
    }
    graph.outputs = graph.addNode(
      "Loop", [outerCount, try graph.scalar(true), x], attributes: ["body": .graph(outer)],
      outputCount: 2)
    for session in try Self.sessions(graph) {
      for (outerCount, innerCount) in [(3, 2), (2, 3), (0, 1), (2, 0)] {
        var expected: [Float] = [1, 2]
        for _ in 0..<outerCount {
          for trip in 0..<innerCount {
            expected =
              trip == 0 ? [expected[0] + 2, expected[1] + 4] : expected.map { -$0 }
          }
        }
        let y = try session.run([
          try Tensor.vector([1, 2]), try Tensor(scalar: Int64(outerCount)),
          try Tensor(scalar: Int64(innerCount)),
        ])
        #expect(try y[0].elements(as: Float.self) == expected)
        #expect(try y[1].elements(as: Int64.self) == (0..<outerCount).map(Int64.init))
      }
    }
  }

  @Test(arguments: [1, 2]) func tripsAllocateNothing(threads: Int) throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [8, 8]))
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let weights = graph.addConstant(
      try Tensor((0..<64).map { Float($0 % 7) / 40 }, shape: [8, 8]))
    let body = try Graph.loopBody([("x", TensorType(.float, [8, 8]))]) {
      body, trip, condition, carried in
      let product = body.addNode("MatMul", [carried[0], body.captured(weights)])
      let isOdd = body.addNode(
        "Cast", [body.addNode("Mod", [trip, try body.scalar(Int64(2))])],
        attributes: ["to": .int(Int(ElementType.bool.rawValue))])
      let changed = body.addNode(
        "If", [isOdd],
        attributes: [
          "then_branch": .graph(
            .body { inner, _ in [inner.addNode("Tanh", [inner.captured(product)])] }),
          "else_branch": .graph(
            .body { inner, _ in [inner.addNode("Neg", [inner.captured(product)])] }),
        ])
      return [body.addNode("Identity", [condition]), changed]
    }
    graph.outputs = [
      graph.addNode("Loop", [count, try graph.scalar(true), x], attributes: ["body": .graph(body)])
    ]
    var options = Executable.Options()
    options.threadCount = threads
    let session = Session(try Executable(graph, options: options))
    let values = try Tensor((0..<64).map { Float($0) / 64 }, shape: [8, 8])
    let y = [try Tensor(zeros: .float, shape: [8, 8])]
    func allocations(_ count: Int) throws -> Int {
      let inputs = [values, try Tensor(scalar: Int64(count))]
      try session.run(inputs, into: y)
      let before = allocation_counter_thread_count()
      try session.run(inputs, into: y)
      return Int(allocation_counter_thread_count() - before)
    }
    let few = try allocations(2)
    #expect(try allocations(500) == few)
    #expect(few == 0)
  }

  @Test func carriedValuesThatDoNotChangeAreCaptured() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let weight = graph.addInput(name: "weight", type: Self.vector)
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let body = Graph.loopBody([("x", Self.vector), ("weight", Self.vector)]) {
      body, _, condition, carried in
      [
        body.addNode("Identity", [condition]),
        body.addNode("Add", [carried[0], body.addNode("Exp", [carried[1]])]),
        body.addNode("Identity", [carried[1]]),
      ]
    }
    graph.outputs = graph.addNode(
      "Loop", [count, try graph.scalar(true), x, weight], attributes: ["body": .graph(body)],
      outputCount: 2)
    let executable = try Executable(graph)
    // Exp of what does not change moves out of the loop.
    #expect(executable.graph.nodes.map(\.operatorType) == ["Exp", "Loop"])
    let y = try Session(executable).run([
      try Tensor.vector([1, 2]), try Tensor.vector([0, 0]), try Tensor(scalar: Int64(3)),
    ])
    #expect(try y[0].elements(as: Float.self) == [4, 5])
    #expect(try y[1].elements(as: Float.self) == [0, 0])
  }

  @Test func shortLoopsBecomeTheirTrips() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let body = Graph.loopBody([("x", Self.vector)]) { body, trip, condition, carried in
      let step = body.addNode(
        "Cast", [trip], attributes: ["to": .int(Int(ElementType.float.rawValue))])
      let next = body.addNode("Add", [carried[0], step])
      return [body.addNode("Identity", [condition]), next, body.addNode("Neg", [next])]
    }
    graph.outputs = graph.addNode(
      "Loop", [try graph.scalar(Int64(3)), try graph.scalar(true), x],
      attributes: ["body": .graph(body)], outputCount: 2)
    #expect(!(try Executable(graph).graph.nodes.contains { $0.operatorType == "Loop" }))
    for session in try Self.sessions(graph) {
      let y = try session.run([try Tensor.vector([1, 2])])
      #expect(try y[0].elements(as: Float.self) == [4, 5])
      #expect(y[1].shape == [3, 2])
      #expect(try y[1].elements(as: Float.self) == [-1, -2, -2, -3, -4, -5])
    }
  }

  // MARK: Scan

  @Test func scansGoAlongAnyAxisInBothDirections() throws {
    var graph = Graph()
    let state = graph.addInput(name: "state", type: TensorType(.float, [2]))
    let x = graph.addInput(name: "x", type: TensorType(.float, [2, .symbol("T")]))
    let z = graph.addInput(name: "z", type: TensorType(.float, [.symbol("T"), 2]))
    let body = Graph.body(
      "body", [("state", Self.vector), ("x", Self.vector), ("z", Self.vector)]
    ) { body, ids in
      let sum = body.addNode("Sum", ids)
      return [sum, body.addNode("Identity", [sum]), body.addNode("Neg", [ids[1]])]
    }
    graph.outputs = graph.addNode(
      "Scan", [state, x, z],
      attributes: [
        "body": .graph(body), "num_scan_inputs": .int(2), "scan_input_axes": .ints([-1, 0]),
        "scan_input_directions": .ints([1, 0]), "scan_output_axes": .ints([-1, 0]),
        "scan_output_directions": .ints([0, 1]),
      ], outputCount: 3)
    for session in try Self.sessions(graph) {
      let y = try session.run([
        try Tensor.vector([100, 200]), try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3]),
        try Tensor([10, 20, 30, 40, 50, 60] as [Float], shape: [3, 2]),
      ])
      // From onnx.reference.
      #expect(try y[0].elements(as: Float.self) == [196, 335])
      #expect(y[1].shape == [2, 3])
      #expect(try y[1].elements(as: Float.self) == [113, 145, 196, 226, 271, 335])
      #expect(y[2].shape == [3, 2])
      #expect(try y[2].elements(as: Float.self) == [-1, -4, -2, -5, -3, -6])
    }
  }

  @Test func scansOfDifferentLengthsAreAnError() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.anyVector)
    let z = graph.addInput(name: "z", type: TensorType(.float, [.symbol("M")]))
    let scalar = TensorType(.float, [])
    let body = Graph.body("body", [("x", scalar), ("z", scalar)]) { body, ids in
      [body.addNode("Add", ids)]
    }
    graph.outputs = [
      graph.addNode(
        "Scan", name: "scan", [x, z],
        attributes: ["body": .graph(body), "num_scan_inputs": .int(2)])
    ]
    for session in try Self.sessions(graph) {
      expectError(.badData, "Scan 'scan'", "3 slices", "2") {
        try session.run([try Tensor.vector([1, 2]), try Tensor.vector([1, 2, 3])])
      }
      let none = try session.run([try Tensor.vector([]), try Tensor.vector([])])
      #expect(none[0].shape == [0])
    }
  }

  /// Scan of opset 8 has a batch axis, and may have a length for each sequence.
  @Test(arguments: [false, true]) func batchedScansOfOpset8(hasLengths: Bool) throws {
    var upgrader = NodeUpgrader(graph: Graph())
    let lengths =
      hasLengths ? upgrader.graph.addInput(name: "lengths", type: TensorType(.int64, [2])) : nil
    let state = upgrader.graph.addInput(name: "state", type: TensorType(.float, [2, 1]))
    let x = upgrader.graph.addInput(name: "x", type: TensorType(.float, [2, 3, 1]))
    let offset = upgrader.graph.addInput(name: "offset", type: TensorType(.float, [1]))
    let one = TensorType(.float, [1])
    let body = Graph.body("body", [("state", one), ("x", one)]) { body, ids in
      let sum = body.addNode("Sum", [ids[0], ids[1], body.captured(offset, one)])
      return [sum, body.addNode("Identity", [sum])]
    }
    let outputs = (0..<2).map { upgrader.graph.addValue(name: "y\($0)") }
    try upgrader.append(
      Node(
        operatorType: "Scan", inputs: [lengths, state, x], outputs: outputs,
        attributes: [
          "body": .graph(body), "num_scan_inputs": .int(1), "directions": .ints([1]),
        ]), opset: 8)
    upgrader.graph.outputs = outputs
    for session in try Self.sessions(upgrader.graph) {
      var inputs = [
        try Tensor([100, 200] as [Float], shape: [2, 1]),
        try Tensor([1, 2, 3, 10, 20, 30] as [Float], shape: [2, 3, 1]),
        try Tensor.vector([0]),
      ]
      if hasLengths { inputs.insert(try Tensor([3, 2] as [Int64], shape: [2]), at: 0) }
      let y = try session.run(inputs)
      #expect(y[0].shape == [2, 1] && y[1].shape == [2, 3, 1])
      #expect(try y[0].elements(as: Float.self) == [106, hasLengths ? 230 : 260])
      // Beyond a length the specification leaves them open.
      let second: [Float] = hasLengths ? [220, 230, 0] : [230, 250, 260]
      #expect(try y[1].elements(as: Float.self) == [103, 105, 106] + second)
    }
  }

  @Test func sequencesGoThroughLoopsAndBodies() throws {
    var graph = Graph()
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let x = graph.addInput(name: "x", type: Self.vector)
    let empty = graph.addNode("SequenceEmpty", [], attributes: ["dtype": .int(1)])
    var body = Graph.loopBody([("unused", Self.vector)]) { _, _, condition, carried in
      [condition, carried[0]]
    }
    body[body.inputs[2]].type = .sequence(.tensor(TensorType(.float, nil)))
    let row = body.addNode(
      "Add",
      [
        body.captured(x),
        body.addNode("Cast", [body.inputs[0]], attributes: ["to": .int(1)]),
      ])
    body.outputs = [
      body.addNode("Identity", [body.inputs[1]]),
      body.addNode("SequenceInsert", [body.inputs[2], row]),
    ]
    let rows = graph.addNode(
      "Loop", [count, try graph.scalar(true), empty], attributes: ["body": .graph(body)])
    let sums = Graph.body("sums", [("row", Self.vector), ("x", Self.vector)]) { body, ids in
      [body.addNode("Mul", [ids[0], ids[1]])]
    }
    let products = graph.addNode("SequenceMap", [rows, x], attributes: ["body": .graph(sums)])
    graph.outputs = [products, graph.addNode("SequenceLength", [products])]
    for session in try Self.sessions(graph) {
      for count in [3, 0, 2] {
        let y = try session.run([
          .tensor(try Tensor(scalar: Int64(count))), .tensor(try Tensor.vector([1, 2])),
        ])
        guard case .sequence(let elements) = y[0] else {
          Issue.record("not a sequence")
          return
        }
        let found = try elements.map { try $0.tensor.elements(as: Float.self) }
        #expect(
          found == (0..<count).map { trip -> [Float] in [1 + Float(trip), 2 * (2 + Float(trip))] })
        #expect(try y[1].tensor.elements(as: Int64.self) == [Int64(count)])
      }
    }
  }

  // MARK: Limits

  @Test func endlessLoopsAreStopped() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let body = Graph.loopBody([("x", Self.vector)]) { body, _, condition, carried in
      [body.addNode("Identity", [condition]), body.addNode("Neg", [carried[0]])]
    }
    graph.outputs = [
      graph.addNode(
        "Loop", name: "spin", [try graph.scalar(Int64(1) << 60), try graph.scalar(true), x],
        attributes: ["body": .graph(body)])
    ]
    var options = Executable.Options()
    options.tripLimit = 1000
    let session = Session(try Executable(graph, options: options))
    for _ in 0..<2 {
      expectError(.operatingSystem, "Loop 'spin'", "more than 1000 trips", "--max-trips") {
        try session.run([try Tensor.vector([1, 2])])
      }
    }
  }

  @Test func cancelledTasksEndLoops() async throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: Self.vector)
    let body = Graph.loopBody([("x", Self.vector)]) { body, _, condition, carried in
      [body.addNode("Identity", [condition]), body.addNode("Neg", [carried[0]])]
    }
    graph.outputs = [
      graph.addNode("Loop", [nil, try graph.scalar(true), x], attributes: ["body": .graph(body)])
    ]
    var options = Executable.Options()
    options.tripLimit = .max
    let executable = try Executable(graph, options: options)
    let task = Task {
      try Session(executable).run([try Tensor.vector([1, 2])])
    }
    task.cancel()
    let result = await task.result
    expectError(.operatingSystem, "cancelled") { try result.get() }
  }

  @Test func growingScanOutputsReachTheMemoryLimit() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1024]))
    let count = graph.addInput(name: "count", type: TensorType(.int64, []))
    let condition = graph.addInput(name: "condition", type: TensorType(.bool, []))
    let body = try Graph.loopBody { body, trip, _, _ in
      [body.addNode("Less", [trip, try body.scalar(Int64.max)]), body.captured(x)]
    }
    graph.outputs = [
      graph.addNode("Loop", [count, condition], attributes: ["body": .graph(body)])
    ]
    var options = Executable.Options()
    options.memoryLimit = 32 << 20
    let session = Session(try Executable(graph, options: options))
    expectError(.operatingSystem, "the limit is 32 MB") {
      try session.run([
        try Tensor(zeros: .float, shape: [1024]), try Tensor(scalar: Int64.max),
        try Self.flag(true),
      ])
    }
  }

  @Test func bodiesThatDoNotFitTheirNodeAreErrors() throws {
    func run(_ attributes: [ByteString: Attribute], _ type: String, outputs: Int = 1) throws {
      var graph = Graph()
      let x = graph.addInput(name: "x", type: Self.vector)
      let isTrue = try graph.scalar(true)
      let inputs: [ValueID?] = type == "If" ? [isTrue] : type == "Loop" ? [nil, isTrue, x] : [x]
      graph.outputs = graph.addNode(type, inputs, attributes: attributes, outputCount: outputs)
      _ = try Session(Executable(graph)).run([try Tensor.vector([1, 2])])
    }
    let empty = Graph.body { body, _ in [try! body.scalar(Float(1))] }
    expectError(.badData, "then_branch", "missing") { try run([:], "If") }
    expectError(.badData, "else_branch", "missing") {
      try run(["then_branch": .graph(empty)], "If")
    }
    expectError(.badData, "outputs") {
      try run(["then_branch": .graph(empty), "else_branch": .graph(empty)], "If", outputs: 2)
    }
    expectError(.badData, "its body has 0 inputs") { try run(["body": .graph(empty)], "Loop") }
    let noCarried = try Graph.loopBody { body, _, _, _ in [try body.scalar(true)] }
    expectError(.badData, "1 initial values; its body has 0") {
      try run(["body": .graph(noCarried)], "Loop")
    }
    expectError(.badData, "num_scan_inputs") {
      try run(["body": .graph(empty), "num_scan_inputs": .int(1)], "Scan")
    }
    expectError(.badData, "num_scan_inputs") {
      try run(["body": .graph(empty), "num_scan_inputs": .int(-1)], "Scan")
    }
    let slice = Graph.body("body", [("x", TensorType(.float, []))]) { _, ids in [ids[0]] }
    expectError(.badData, "scan_input_axes") {
      try run(
        ["body": .graph(slice), "num_scan_inputs": .int(1), "scan_input_axes": .ints([0, 1])],
        "Scan")
    }
    expectError(.badData, "scan input 0", "axis") {
      try run(
        ["body": .graph(slice), "num_scan_inputs": .int(1), "scan_input_axes": .ints([7])], "Scan")
    }
    let changing = Graph.loopBody([("x", Self.vector)]) { body, _, condition, carried in
      [
        condition,
        body.addNode(
          "Cast", [carried[0]], attributes: ["to": .int(Int(ElementType.double.rawValue))]),
      ]
    }
    expectError(.badData, "carried value 0") { try run(["body": .graph(changing)], "Loop") }
  }
}
