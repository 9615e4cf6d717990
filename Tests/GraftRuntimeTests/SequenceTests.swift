import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Graphs with sequences and optionals: what plans make of them.
@Suite struct SequenceTests {
  private static func numbers(_ value: RuntimeValue) throws -> [Float] {
    try value.tensor.elements()
  }

  private static func input(
    _ graph: inout Graph, _ name: String, _ type: ValueType
  ) -> ValueID {
    let id = graph.addInput(name: name, type: TensorType(.float, nil))
    graph[id].type = type
    return id
  }

  private static func integer(_ graph: inout Graph, _ number: Int64) throws -> ValueID {
    graph.addConstant(try Tensor(scalar: number))
  }

  private static let options = [true, false].map { optimizes in
    var options = Executable.Options()
    options.optimizes = optimizes
    return options
  }

  /// What is put into sequences is not overwritten by later steps, nor by the next run.
  @Test func elementsOutliveTheirSteps() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [4]))
    var sequence = graph.addNode("SequenceConstruct", [graph.addNode("Neg", [x])])
    var value = x
    for _ in 0..<5 {
      value = graph.addNode("Exp", [graph.addNode("Neg", [value])])
      sequence = graph.addNode("SequenceInsert", [sequence, value])
    }
    graph.outputs = [sequence, graph.addNode("Optional", [graph.addNode("Sqrt", [value])])]
    for options in Self.options {
      let session = Session(try Executable(graph, options: options))
      let runs = try [Float(1), 2].map { start in
        try session.run([.tensor(try Tensor([start, 0, -1, 0.5], shape: [4]))])
      }
      for (results, start) in zip(runs, [Float(1), 2]) {
        var expected = [start, 0, -1, 0.5]
        let elements = try results[0].sequence
        #expect(elements.count == 6)
        #expect(try Self.numbers(elements[0]) == expected.map { -$0 })
        for element in elements.dropFirst() {
          expected = try zip(expected, Self.numbers(element)).map { before, number in
            #expect(abs(number - .exponential(-before)) < 1e-5)
            return number
          }
        }
        guard case .optional(let last?) = results[1] else {
          Issue.record("the optional is empty")
          continue
        }
        #expect(
          try zip(Self.numbers(last), expected).allSatisfy { abs($0 - $1.squareRoot()) < 1e-6 })
      }
    }
  }

  /// Element types of empty sequences are those that the graph declares.
  @Test func emptySequencesHaveTypes() throws {
    var graph = Graph()
    let given = Self.input(&graph, "s", .sequence(.tensor(TensorType(.int64, nil))))
    let x = graph.addInput(name: "x", type: TensorType(.int64, [.unknown]))
    let made = graph.addNode("SequenceEmpty", [], attributes: ["dtype": .int(7)])
    // The shape of this one is known only when it has run: a plan ends here.
    let places = graph.addNode("NonZero", [x])
    let first = graph.addNode("SequenceInsert", [given, places])
    let second = graph.addNode("SequenceInsert", [made, places])
    graph.outputs = [
      first, graph.addNode("SequenceLength", [second]), given, made,
      graph.addNode("SequenceErase", [second]),
    ]
    for options in Self.options {
      let session = Session(try Executable(graph, options: options))
      for count in [0, 2] {
        let element = RuntimeValue.tensor(try Tensor([Int64(5)], shape: [1]))
        let results = try session.run([
          .sequence(Array(repeating: element, count: count)),
          .tensor(try Tensor([0, 1, 1] as [Int64], shape: [3])),
        ])
        let elements = try results[0].sequence
        #expect(elements.count == count + 1)
        #expect(try elements[count].tensor.elements(as: Int64.self) == [1, 2])
        #expect(try results[1].tensor.integers() == [1])
        #expect(try results[2].sequence.count == count)
        #expect(try results[3].sequence.isEmpty)
        #expect(try results[4].sequence.isEmpty)
      }
      expectError(.usage, "input 's'", "sequence(int64[…])") {
        _ = try session.run([
          .sequence([.tensor(try Tensor(scalar: Float(1)))]),
          .tensor(try Tensor([0] as [Int64], shape: [1])),
        ])
      }
    }
  }

  /// Plans are for the shapes that all elements have, and others are made for others.
  @Test func elementsMayHaveAnyShapes() throws {
    var graph = Graph()
    let sequence = Self.input(&graph, "s", .sequence(.tensor(TensorType(.float, nil))))
    let last = graph.addNode("SequenceAt", [sequence, try Self.integer(&graph, -1)])
    graph.outputs = [
      graph.addNode("Neg", [last]),
      graph.addNode(
        "ConcatFromSequence", [sequence], attributes: ["axis": .int(0)]),
    ]
    func tensor(_ numbers: [Float]) throws -> RuntimeValue {
      .tensor(try Tensor(numbers, shape: [numbers.count]))
    }
    for options in Self.options {
      let session = Session(try Executable(graph, options: options))
      for rows in [
        [[1, 2], [3, 4]], [[1, 2], [3]], [[5]], [[1, 2], [3, 4], [5, 6]], [[], [1]],
      ]
        as [[[Float]]]
      {
        let results = try session.run([.sequence(try rows.map(tensor))])
        #expect(try Self.numbers(results[0]) == rows.last?.map { -$0 })
        #expect(try Self.numbers(results[1]) == rows.flatMap { $0 })
      }
      expectError(.badData, "SequenceAt", "position -1", "0 elements") {
        _ = try session.run([.sequence([])])
      }
    }
  }

  @Test func optionalsMayBeEmpty() throws {
    var graph = Graph()
    let element = ValueType.tensor(TensorType(.float, [2]))
    let given = Self.input(&graph, "o", .optional(element))
    graph.outputs = [
      graph.addNode("OptionalHasElement", [given]),
      graph.addNode("Identity", [given]),
      graph.addNode("Optional", [], attributes: ["type": .type(.sequence(element))]),
    ]
    var second = graph
    second.outputs = [second.addNode("Neg", [second.addNode("OptionalGetElement", [given])])]
    for options in Self.options {
      let session = Session(try Executable(graph, options: options))
      let getting = Session(try Executable(second, options: options))
      let tensor = RuntimeValue.tensor(try Tensor([1, 2] as [Float], shape: [2]))
      // The element may come without its optional.
      for value in [RuntimeValue.optional(tensor), .optional(nil), tensor] {
        let results = try session.run([value])
        var isEmpty = false
        if case .optional(nil) = value { isEmpty = true }
        #expect(try results[0].tensor.elements(as: Bool.self) == [!isEmpty])
        guard case .optional(nil) = results[2] else {
          Issue.record("not an empty optional")
          continue
        }
        if isEmpty {
          expectError(.badData, "OptionalGetElement", "is empty") { _ = try getting.run([value]) }
        } else {
          #expect(try Self.numbers(getting.run([value])[0]) == [-1, -2])
        }
      }
    }
  }

  /// Parts of a tensor and of computed ones.
  @Test func partsOfTensorsOutliveThem() throws {
    for axis in [0, 1] {
      var graph = Graph()
      let x = graph.addInput(name: "x", type: TensorType(.float, [2, 4]))
      let y = graph.addNode("Neg", [x])
      let parts = graph.addNode(
        "SplitToSequence", [y, try Self.integer(&graph, 1)], attributes: ["axis": .int(axis)])
      let z = graph.addNode("Exp", [graph.addNode("Abs", [y])])
      graph.outputs = [parts, z, graph.addNode("SequenceLength", [parts])]
      for options in Self.options {
        let session = Session(try Executable(graph, options: options))
        let first = try session.run([
          .tensor(try Tensor((0..<8).map { Float($0) }, shape: [2, 4]))
        ])
        _ = try session.run([.tensor(try Tensor(zeros: .float, shape: [2, 4]))])
        let found = try first[0].sequence.map { try Self.numbers($0).map { -$0 } }
        #expect(
          found
            == (axis == 0
              ? [[0, 1, 2, 3], [4, 5, 6, 7]] : [[0, 4], [1, 5], [2, 6], [3, 7]]))
        #expect(try first[2].tensor.integers() == [axis == 0 ? 2 : 4])
      }
    }
  }

  /// A chain of insertions shares its elements: it counts each tensor once.
  @Test func sharedElementsCountOnce() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.known(1 << 18)]))
    var sequence = graph.addNode("SequenceConstruct", [x])
    for _ in 0..<50 { sequence = graph.addNode("SequenceInsert", [sequence, x]) }
    let erased = graph.addNode("SequenceErase", [sequence])
    graph.outputs = [graph.addNode("SequenceLength", [erased])]
    var options = Executable.Options()
    options.memoryLimit = 4 << 20
    let session = Session(try Executable(graph, options: options))
    let input = RuntimeValue.tensor(try Tensor(zeros: .float, shape: [1 << 18]))
    #expect(try session.run([input])[0].tensor.integers() == [50])

    // New tensors count.
    var growing = Graph()
    let y = growing.addInput(name: "x", type: TensorType(.float, [.known(1 << 18)]))
    var value = growing.addNode("SequenceConstruct", [y])
    for _ in 0..<50 {
      value = growing.addNode("SequenceInsert", [value, growing.addNode("Neg", [y])])
    }
    growing.outputs = [growing.addNode("SequenceLength", [value])]
    options.optimizes = false
    let other = Session(try Executable(growing, options: options))
    expectError(.operatingSystem, "SequenceInsert", "memory") { _ = try other.run([input]) }
  }

  /// Nodes on strings of known shapes are steps of one plan.
  @Test func stringsAreStepsOfOnePlan() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.string, [2]))
    let twice = graph.addNode("StringConcat", [x, x])
    let joined = graph.addNode(
      "StringConcat", [twice, graph.addConstant(try Tensor(strings: ["!"], shape: []))])
    let shape = graph.addConstant(try Tensor([1, 2] as [Int64], shape: [2]))
    let row = graph.addNode("Reshape", [joined, shape])
    let parts = graph.addNode("StringSplit", [row], attributes: ["delimiter": .string("b")])
    graph.outputs = [parts, row, graph.addNode("Equal", [joined, twice])]
    for options in Self.options {
      let results = try Session(Executable(graph, options: options)).run([
        .tensor(try Tensor(strings: ["ab", "c"], shape: [2]))
      ])
      #expect(try results[0].tensor.strings == ["a", "a", "!", "cc!", "", ""])
      #expect(try results[0].tensor.shape == [1, 2, 3])
      #expect(try results[1].tensor.strings == ["abab!", "cc!"])
      #expect(try results[2].tensor.elements(as: Bool.self) == [false, false])
    }
  }
}

extension Float {
  fileprivate static func exponential(_ power: Float) -> Float {
    var (sum, term) = (1.0, 1.0)
    for number in 1..<60 {
      term *= Double(power) / Double(number)
      sum += term
    }
    return Float(sum)
  }
}
