import CTestSupport
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

@Suite struct SessionTests {
  /// relu(x · w + b) reshaped, twice, with a residual.
  private func smallGraph() throws -> Graph {
    var graph = Graph(name: "small")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 4]))
    let w = graph.addConstant(
      name: "w", try Tensor((0..<16).map { Float($0) / 8 - 1 }, shape: [4, 4]))
    let b = graph.addConstant(name: "b", try Tensor([0.5, -0.5, 0.25, 0] as [Float], shape: [4]))
    let hidden = graph.addNode("Relu", [graph.addNode("Gemm", [x, w, b])])
    let again = graph.addNode("Gemm", [hidden, w, b])
    let sum = graph.addNode("Relu", [graph.addNode("Add", [again, hidden])])
    let shape = graph.addConstant(try Tensor([0, 2, 2] as [Int64], shape: [3]))
    graph.outputs = [graph.addNode("Reshape", [sum, shape], outputName: "y")]
    return graph
  }

  private func input(_ count: Int) throws -> Tensor {
    try Tensor((0..<count * 4).map { Float(($0 * 5) % 13) / 6 - 1 }, shape: [count, 4])
  }

  @Test func optimizedGraphGivesTheSame() throws {
    var plain = Executable.Options()
    plain.optimizes = false
    let optimized = Session(try Executable(smallGraph()))
    let reference = Session(try Executable(smallGraph(), options: plain))
    for count in [1, 3, 8] {
      let a = try optimized.run([try input(count)])[0]
      let b = try reference.run([try input(count)])[0]
      #expect(a.shape == [count, 2, 2])
      for (left, right) in zip(try a.elements(as: Float.self), try b.elements(as: Float.self)) {
        #expect(abs(left - right) <= 1e-5 * max(1, abs(right)))
      }
    }
  }

  /// As in a mapped file, where they lie anywhere; QLinearMatMul checks where its scales are.
  @Test func inputsNeedNotBeAligned() throws {
    func moved(_ tensor: Tensor) throws -> Tensor {
      let storage = try Storage.heap(byteCount: tensor.byteCount + 1)
      tensor.withUnsafeBytes {
        (storage.baseAddress + 1).copyMemory(from: $0.baseAddress!, byteCount: tensor.byteCount)
      }
      return try Tensor(
        elementType: tensor.elementType, shape: tensor.shape, storage: storage, byteOffset: 1)
    }
    let matrix = try Tensor([1, 2, 3, 4] as [UInt8], shape: [2, 2])
    let (scale, zero) = (try Tensor(scalar: Float(0.5)), try Tensor(scalar: UInt8(0)))
    let given = [matrix, scale, zero, matrix, scale, zero, scale, zero]
    var graph = Graph()
    let inputs = given.enumerated().map { index, tensor in
      graph.addInput(
        name: "\(index)", type: TensorType(tensor.elementType, [Dimension](tensor.shape)))
    }
    graph.outputs = [graph.addNode("QLinearMatMul", inputs)]
    let session = Session(try Executable(graph))
    // 7, 10, 15, 22 in steps of 0.25
    let expected: [UInt8] = [4, 5, 8, 11]
    let found: [UInt8] = try session.run(try given.map(moved))[0].elements()
    #expect(found == expected)
    let output = try Tensor(zeros: .uint8, shape: [2, 2])
    try session.run(try given.map(moved), into: [output])
    #expect(try output.elements(as: UInt8.self) == expected)
  }

  @Test func bitsDoNotDependOnThreads() throws {
    var results: [[Float]] = []
    for threads in [1, 2, 3, 8] {
      var options = Executable.Options()
      options.threadCount = threads
      let session = Session(try Executable(smallGraph(), options: options))
      results.append(try session.run([try input(64)])[0].elements())
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test func steadyStateAllocatesNothing() throws {
    let session = Session(try Executable(smallGraph()))
    let x = [try input(3)]
    let y = [try Tensor(zeros: .float, shape: [3, 2, 2])]
    for _ in 0..<3 { try session.run(x, into: y) }
    // Other tests may run beside this one: only this thread counts.
    let before = allocation_counter_thread_count()
    for _ in 0..<10 { try session.run(x, into: y) }
    #expect(allocation_counter_thread_count() == before)
  }

  @Test func wrongInputsAreNamed() throws {
    let session = Session(try Executable(smallGraph()))
    expectError(.usage, "input") { try session.run([Tensor]()) }
    let error = #expect(throws: GraftError.self) {
      try session.run([try Tensor(zeros: .float, shape: [2, 5])])
    }
    #expect(error?.message.contains("'x'") == true)
    expectError(.usage, "'x'", "double") {
      try session.run([try Tensor(zeros: .double, shape: [2, 4])])
    }
  }

  @Test func wrongSequencesAndOptionalsAreNamed() throws {
    let vector = RuntimeValue.tensor(try Tensor(zeros: .float, shape: [2]))
    let other = RuntimeValue.tensor(try Tensor(zeros: .float, shape: [3]))
    let sequence = ValueType.sequence(.tensor(TensorType(.float, [2])))
    for type in [sequence, .optional(sequence)] {
      var graph = Graph(name: "sequences")
      let x = graph.addInput(name: "x", type: TensorType(.float, nil))
      graph[x].type = type
      graph.outputs = [graph.addNode("Identity", [x], outputName: "y")]
      let session = Session(try Executable(graph))
      if type == sequence {
        guard case .sequence(let found) = try session.run([.sequence([vector, vector])])[0] else {
          Issue.record("the output is not a sequence")
          continue
        }
        #expect(found.count == 2)
      }
      for wrong in [vector, .sequence([vector, other]), .optional(vector)] {
        let error = #expect(throws: GraftError.self) { try session.run([wrong]) }
        #expect(error?.message.contains("input 'x'") == true)
        #expect(error?.message.contains("the model declares \(type)") == true)
      }
    }
  }

  @Test func unsupportedOperatorsAreListedAtOnce() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let a = graph.addNode("NoSuchOperator", [x])
    graph.outputs = [graph.addNode("NorThisOne", domain: "some.domain", [a])]
    let error = #expect(throws: GraftError.self) { try Executable(graph) }
    #expect(error?.message.contains("NoSuchOperator, some.domain.NorThisOne") == true)
  }

  /// An output that is an input, a constant, or another output as well gets memory of its own.
  @Test func outputsMayShareValues() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let c = graph.addConstant(name: "c", try Tensor([5, 6] as [Float], shape: [2]))
    let y = graph.addNode("Relu", [x])
    let shape = graph.addConstant(try Tensor([2, 1] as [Int64], shape: [2]))
    let reshaped = graph.addNode("Reshape", [y, shape])
    graph.outputs = [x, c, y, reshaped, y]
    let outputs = try Session(Executable(graph)).run([
      try Tensor([-1, 3] as [Float], shape: [2])
    ])
    let values = try outputs.map { try $0.elements(as: Float.self) }
    #expect(values == [[-1, 3], [5, 6], [0, 3], [0, 3], [0, 3]])
    #expect(outputs[3].shape == [2, 1])
  }

  /// Shapes that depend on what is computed make a chain of plans.
  @Test func shapesMayDependOnData() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N")]))
    let shape = graph.addInput(name: "shape", type: TensorType(.int64, [2]))
    let y = graph.addNode("Relu", [x])
    let doubled = graph.addNode(
      "Add",
      [
        shape,
        graph.addConstant(
          try Tensor([0, 0] as [Int64], shape: [2])),
      ])
    let reshaped = graph.addNode("Reshape", [y, doubled])
    graph.outputs = [graph.addNode("Relu", [reshaped]), y]
    let session = Session(try Executable(graph))
    for target in [[2, 3], [3, 2], [6, 1], [2, 3]] as [[Int64]] {
      let outputs = try session.run([
        try Tensor([1, -2, 3, 4, -5, 6] as [Float], shape: [6]),
        try Tensor(target, shape: [2]),
      ])
      #expect(outputs[0].shape == target.map(Int.init))
      #expect(try outputs[0].elements(as: Float.self) == [1, 0, 3, 4, 0, 6])
      #expect(outputs[1].shape == [6])
    }
    let error = #expect(throws: GraftError.self) {
      try session.run([
        try Tensor([1, 2] as [Float], shape: [2]), try Tensor([3, 5] as [Int64], shape: [2]),
      ])
    }
    #expect(error?.description.contains("Reshape") == true)
  }
}
