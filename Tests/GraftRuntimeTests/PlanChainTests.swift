import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Values that pass between plans, or are outside a plan's arena.
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

  /// Each link of the chain has the same nodes and needs the contents of one more input.
  @Test func contentsThatAreNeededOneAfterTheOther() throws {
    var graph = Graph()
    let bounds = ["start", "limit", "delta"].map {
      graph.addInput(name: $0, type: TensorType(.int64, []))
    }
    graph.outputs = [graph.addNode("Range", bounds.map { $0 })]
    let executable = try Executable(graph)
    for session in [Session(executable), Session(executable)] {
      for limit in [5, 3, 5] as [Int64] {
        let inputs = try [0, limit, 1].map { try Tensor([$0], shape: []) }
        let outputs = try session.run(inputs)
        #expect(try outputs[0].elements(as: Int64.self) == Array(0..<limit))
      }
    }
  }

  @Test func memoryBeyondTheLimitIsRefusedFirst() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1]))
    let shape = graph.addConstant(try Tensor([1 << 12, 1 << 12] as [Int64], shape: [2]))
    graph.outputs = [graph.addNode("Expand", [x, shape])]
    var options = Executable.Options()
    options.memoryLimit = 1 << 20
    let session = Session(try Executable(graph, options: options))
    expectError(.operatingSystem, "--max-memory") {
      try session.run([try Tensor(zeros: .float, shape: [1])])
    }
  }

  /// Runs a network whose output takes some megabytes, on a machine on which others are free.
  private func expansion(megabytes: Int, free: Int) throws -> Int {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1]))
    let shape = graph.addConstant(try Tensor([Int64(megabytes) << 18], shape: [1]))
    graph.outputs = [graph.addNode("Expand", [x, shape])]
    var options = Executable.Options()
    options.freeByteCount = { free << 20 }
    let session = Session(try Executable(graph, options: options))
    return try session.run([try Tensor(zeros: .float, shape: [1])])[0].elementCount
  }

  @Test func whatIsFreeIsTheLimit() throws {
    #expect(try expansion(megabytes: 20, free: 40) == 20 << 18)
    expectError(.operatingSystem, "not enough memory: 40 MB are free") {
      try expansion(megabytes: 48, free: 40)
    }
    // For little, nobody asks what is free.
    #expect(try expansion(megabytes: 8, free: 0) == 8 << 18)
  }

  /// A megabyte of input, two intermediate values that take turns, and the output.
  private func chain(limit: Int) throws -> Session {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N")]))
    let sum = graph.addNode(
      "CumSum", [x, graph.addConstant(try Tensor([0] as [Int64], shape: []))])
    graph.outputs = [graph.addNode("Relu", [sum])]
    var options = Executable.Options()
    options.memoryLimit = limit
    return Session(try Executable(graph, options: options))
  }

  @Test func keptPlansGoBeforeARunIsRefused() throws {
    let session = try chain(limit: 10 << 20)
    for megabytes in [1, 2, 3, 1, 3, 2] {
      let x = try Tensor(zeros: .float, shape: [megabytes << 18])
      let y = try session.run([x])
      #expect(y[0].shape == x.shape)
    }
    let x = try Tensor(zeros: .float, shape: [4 << 18])
    expectError(.operatingSystem, "10 MB") { try session.run([x]) }
  }

  /// NonZero of ones doubles what the one before it made.
  private func growingChain(_ count: Int, limit: Int?) throws -> [Tensor] {
    var graph = Graph()
    var value = graph.addInput(name: "x", type: TensorType(.float, [4]))
    for _ in 0..<count {
      value = graph.addNode(
        "Cast", [graph.addNode("NonZero", [value])], attributes: ["to": .int(1)])
    }
    graph.outputs = [value]
    var options = Executable.Options()
    options.memoryLimit = limit
    return try Session(Executable(graph, options: options)).run([
      try Tensor([1, 1, 1, 1] as [Float], shape: [4])
    ])
  }

  @Test func plansOfAChainShareTheLimit() throws {
    let small = try growingChain(12, limit: 1 << 20)[0]
    #expect(small.shape == [2, 146])
    #expect(try growingChain(12, limit: nil)[0].shape == small.shape)
    for limit in [1 << 20, 20 << 20] {
      expectError(.operatingSystem, "the limit is \(limit >> 20) MB") {
        try growingChain(60, limit: limit)
      }
    }
  }

  @Test func generatedConstantsCountTogether() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [1]))
    let shape = graph.addConstant(try Tensor([1 << 18] as [Int64], shape: [1]))
    for number in 1...20 {
      let value = try Tensor([Float(number)], shape: [1])
      let constant = graph.addNode(
        "ConstantOfShape", [shape], attributes: ["value": .tensor(value)])
      graph.outputs.append(graph.addNode("ReduceSum", [graph.addNode("Mul", [constant, x])]))
    }
    func run(_ limit: Int?) throws -> [[Float]] {
      var options = Executable.Options()
      options.memoryLimit = limit
      return try Session(Executable(graph, options: options)).run([
        try Tensor([2] as [Float], shape: [1])
      ]).map { try $0.elements() }
    }
    for limit in [10 << 20, 20 << 20] {
      expectError(.operatingSystem, "MB") { try run(limit) }
    }
    let expected = (1...20).map { [Float($0) * 2 * Float(1 << 18)] }
    #expect(try run(64 << 20) == expected)
    #expect(try run(nil) == expected)
  }
}
