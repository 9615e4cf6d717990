import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// LSTM, GRU and RNN against the formulas of the specification in double.
@Suite(.serialized) struct RecurrentTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var cell = "LSTM"
    var steps = 4
    var batch = 1
    var inputs = 3
    var units = 5
    var direction = "forward"
    var isBatchFirst = false
    var isLinearBeforeReset = false
    var lengths: [Int32]?
    var hasBias = true
    var hasStates = true
    var hasPeepholes = false
    var clip: Float?

    var testDescription: String {
      "\(cell) \(steps)x\(batch)x\(inputs) \(units) \(direction)"
        + "\(isBatchFirst ? " batch first" : "")"
        + "\(isLinearBeforeReset ? " linear" : "")\(lengths.map { " \($0)" } ?? "")"
    }

    var gateCount: Int { ["LSTM": 4, "GRU": 3][cell] ?? 1 }
    var directions: Int { direction == "bidirectional" ? 2 : 1 }

    var attributes: [ByteString: Attribute] {
      var attributes: [ByteString: Attribute] = [
        "hidden_size": .int(units), "direction": .string(direction),
        "layout": .int(isBatchFirst ? 1 : 0),
      ]
      if isLinearBeforeReset { attributes["linear_before_reset"] = .int(1) }
      if let clip { attributes["clip"] = .float(clip) }
      return attributes
    }

    func tensors() throws -> [Tensor?] {
      var seed = 0
      func numbers(_ shape: Shape, scale: Float = 1) throws -> Tensor {
        seed += 1
        let tensor = try NodeTesting.numbers(shape, seed: seed)
        return try Tensor(tensor.elements(as: Float.self).map { $0 * scale }, shape: shape)
      }
      let state = isBatchFirst ? [batch, directions, units] : [directions, batch, units]
      let scale = 1 / Float(units).squareRoot()
      var tensors: [Tensor?] = [
        try numbers(isBatchFirst ? [batch, steps, inputs] : [steps, batch, inputs], scale: 2),
        try numbers([directions, gateCount * units, inputs]),
        try numbers([directions, gateCount * units, units], scale: scale),
        hasBias ? try numbers([directions, 2 * gateCount * units]) : nil,
        try lengths.map { try Tensor($0, shape: [batch]) },
        hasStates ? try numbers(state) : nil,
      ]
      if cell == "LSTM" {
        tensors += [
          hasStates ? try numbers(state) : nil,
          hasPeepholes ? try numbers([directions, 3 * units]) : nil,
        ]
      }
      return tensors
    }

    var node: Node {
      Node(
        operatorType: cell, inputs: (0..<3).map { ValueID($0) },
        outputs: (0..<(cell == "LSTM" ? 3 : 2)).map { ValueID(100 + $0) }, attributes: attributes)
    }

    func run(
      _ inputs: [Tensor?], _ instructionSet: InstructionSet = .current, threads: Int = 1,
      areConstant: Bool = false
    ) throws -> [Tensor] {
      var node = node
      node.inputs = inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) }
      return try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
        wantedOutputs: node.outputs.map { _ in true }, instructionSet: instructionSet,
        treatInputsAsConstant: areConstant, threads: threads, pool: RecurrentTests.pool
      ).map { try #require(try $0?.tensor) }
    }
  }

  private static let pool = ThreadPool(threadCount: 8)

  /// Around the sizes of vectors, blocks of units, tasks and chunks of steps.
  static let cases: [Case] = {
    var cases: [Case] = []
    for cell in ["LSTM", "GRU", "RNN"] {
      for units in [1, 7, 16, 33] {
        cases.append(Case(cell: cell, batch: 3, units: units, lengths: [4, 0, 2]))
      }
      cases += [
        Case(cell: cell, batch: 19, units: 20, direction: "bidirectional"),
        Case(
          cell: cell, batch: 5, direction: "reverse", isBatchFirst: true, lengths: [1, 2, 3, 4, 0]),
        Case(cell: cell, batch: 2, direction: "bidirectional", isBatchFirst: true, clip: 0.3),
        Case(cell: cell, steps: 1, hasBias: false, hasStates: false),
        Case(cell: cell, steps: 3, inputs: 0, hasStates: false),
        // Steps are phases, as one sequence alone has enough work for two tasks.
        Case(cell: cell, steps: 9, units: 261, direction: "reverse"),
        Case(cell: cell, steps: 2, batch: 20, units: 300, lengths: (0..<20).map { $0 % 3 }),
        // Tasks of many sequences multiply the inputs of four steps at once.
        Case(
          cell: cell, steps: 11, batch: 14, inputs: 5, units: 17, direction: "bidirectional",
          isBatchFirst: true, lengths: (0..<14).map { $0 % 12 }),
        Case(cell: cell, steps: 10, batch: 33, units: 24, direction: "reverse"),
        // So do the tasks of some units.
        Case(cell: cell, steps: 6, batch: 64, inputs: 4, units: cell == "LSTM" ? 260 : 520),
        Case(
          cell: cell, steps: 3, batch: 13, inputs: 6, units: 18, direction: "bidirectional",
          isBatchFirst: true, hasBias: false),
        // Sums of all steps exceed a chunk.
        Case(cell: cell, steps: 190, batch: 11, inputs: 2, units: cell == "RNN" ? 132 : 33),
        Case(
          cell: cell, steps: 190, batch: 11, inputs: 2, units: cell == "RNN" ? 132 : 33,
          direction: "reverse", isBatchFirst: true),
      ]
    }
    cases += [
      Case(batch: 2, units: 18, hasPeepholes: true, clip: 0.5),
      Case(cell: "GRU", batch: 9, units: 17, isLinearBeforeReset: true),
      Case(cell: "GRU", steps: 7, batch: 15, units: 17, isLinearBeforeReset: true),
      Case(
        cell: "GRU", batch: 4, direction: "bidirectional", isBatchFirst: true,
        isLinearBeforeReset: true, lengths: [2, 4, 1, 3]),
      Case(cell: "GRU", steps: 3, units: 261, isLinearBeforeReset: true, hasBias: false),
    ]
    return cases
  }()

  @Test(arguments: cases)
  func followsTheSpecification(_ recurrent: Case) throws {
    let inputs = try recurrent.tensors()
    let expected = try Specification(recurrent, inputs).outputs()
    for instructionSet in InstructionSet.available {
      for areConstant in [false, true] {
        let outputs = try recurrent.run(inputs, instructionSet, areConstant: areConstant)
        for (output, expected) in zip(outputs, expected) {
          let difference = try largestDifference(
            output, try expected.converted(to: .float))
          #expect(difference < 2e-6, "\(instructionSet), constant: \(areConstant)")
        }
        for threads in [2, 3, 8] {
          let others = try recurrent.run(
            inputs, instructionSet, threads: threads, areConstant: areConstant)
          for (output, other) in zip(outputs, others) {
            let isSame = output.withUnsafeBytes { bytes in
              other.withUnsafeBytes { $0.elementsEqual(bytes) }
            }
            #expect(isSame, "\(threads) threads give other bits")
          }
        }
      }
    }
  }

  @Test(arguments: cases.filter { $0.steps < 100 && $0.units < 100 })
  func otherTypesAgree(_ recurrent: Case) throws {
    let inputs = try recurrent.tensors()
    for (type, tolerance) in [
      (ElementType.double, 1e-14), (.float16, 2e-3), (.bfloat16, 2e-2),
    ] {
      let narrow = try inputs.map { try $0?.elementType == .float ? $0?.converted(to: type) : $0 }
      let wide = try narrow.map { try $0?.elementType == type ? $0?.converted(to: .double) : $0 }
      let expected = try Specification(recurrent, wide).outputs()
      for (output, expected) in zip(try recurrent.run(narrow), expected) {
        #expect(output.elementType == type)
        let difference = try largestDifference(
          output.converted(to: .double), expected)
        #expect(difference < tolerance, "\(type)")
      }
    }
  }

  @Test func unalignedInputsAreRead() throws {
    let recurrent = Case(batch: 3, units: 9, hasPeepholes: true)
    let inputs = try recurrent.tensors()
    let expected = try recurrent.run(inputs)
    let moved = try inputs.map { try $0.map(misaligned) }
    for (output, expected) in zip(try recurrent.run(moved), expected) {
      #expect(try largestDifference(output, expected) == 0)
    }
  }

  private func misaligned(_ tensor: Tensor) throws -> Tensor {
    let storage = try Storage.heap(byteCount: tensor.byteCount + 1)
    tensor.withUnsafeBytes { bytes in
      if let address = bytes.baseAddress {
        (storage.baseAddress + 1).copyMemory(from: address, byteCount: bytes.count)
      }
    }
    return try Tensor(
      elementType: tensor.elementType, shape: tensor.shape, storage: storage, byteOffset: 1)
  }

  @Test func nothingToDoIsNoError() throws {
    for (steps, batch) in [(0, 2), (3, 0)] {
      for direction in ["forward", "reverse"] {
        for cell in ["LSTM", "GRU", "RNN"] {
          let recurrent = Case(cell: cell, steps: steps, batch: batch, direction: direction)
          let outputs = try recurrent.run(try recurrent.tensors())
          #expect(outputs[0].shape == [steps, 1, batch, 5])
          #expect(try outputs[1].elements(as: Float.self).allSatisfy { $0 == 0 })
        }
      }
    }
  }

  @Test(arguments: [[-1, 2], [5, 2], [2, Int32.max]]) func lengthsMustFit(_ lengths: [Int32]) throws
  {
    let recurrent = Case(batch: 2, lengths: lengths)
    expectError(.badData, "from 0 to 4") { try recurrent.run(try recurrent.tensors()) }
  }

  @Test func wrongAttributesAreNamed() {
    for (attribute, value, part) in [
      ("activations", .strings(["Sigmoid", "Tanh"]), "2 names; expected 3"),
      ("activations", .strings(["Sigmoid", "Tanh", "Cosine"]), "'Cosine'"),
      ("direction", .string("backward"), "'backward'"), ("layout", .int(2), "'layout' is 2"),
      ("clip", .float(-1), "'clip'"), ("hidden_size", .int(0), "'hidden_size'"),
      ("hidden_size", .int(.max), "'hidden_size'"),
    ] as [(ByteString, Attribute, String)] {
      expectError(.badData, part) {
        try LSTMDescription.make([attribute: value])
      }
    }
  }

  /// A node whose attributes alone are decoded.
  private enum LSTMDescription {
    static func make(_ attributes: [ByteString: Attribute]) throws {
      _ = try OperatorCatalog.make(
        Node(
          operatorType: "LSTM", inputs: [ValueID(0), ValueID(1), ValueID(2)],
          outputs: [ValueID(3)], attributes: attributes))
    }
  }

  @Test func shapesMustFit() throws {
    let recurrent = Case(batch: 2, hasPeepholes: true)
    let inputs = try recurrent.tensors()
    for index in inputs.indices where inputs[index] != nil && index > 0 {
      var wrong = inputs
      let shape = try #require(inputs[index]?.shape)
      wrong[index] = try NodeTesting.numbers(
        shape.dropLast() + [shape[shape.count - 1] + 1], seed: 1)
      expectError(.badData, "input") { try recurrent.run(wrong) }
    }
    var wrong = inputs
    wrong[0] = try NodeTesting.numbers([4, 2], seed: 1)
    expectError(.badData, "input 0 has rank 2") { try recurrent.run(wrong) }
    wrong = inputs
    wrong[4] = try NodeTesting.numbers([2], seed: 1)
    expectError(.badData, "input 4 has element type float") { try recurrent.run(wrong) }
  }

  @Test func oldFormsLoseWhatWasDropped() throws {
    for cell in ["LSTM", "GRU", "RNN"] {
      var node = Case(cell: cell).node
      node.attributes["output_sequence"] = .int(1)
      node.attributes["direction"] = .string("foward")
      try NodeTesting.upgrade(&node, opset: 1)
      #expect(node.attributes["output_sequence"] == nil)
      guard case .string("forward")? = node.attributes["direction"] else {
        Issue.record("direction is \(String(describing: node.attributes["direction"]))")
        continue
      }
    }
  }

  /// The names of activations are those of the specification in any case; those with parameters
  /// take them in turn.
  @Test func parametersGoToFunctionsThatHaveThem() throws {
    func outputs(_ names: [String], _ alphas: [Float]) throws -> [Tensor] {
      let inputs = try Case(cell: "GRU", batch: 2).tensors()
      let node = Node(
        operatorType: "GRU",
        inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
        outputs: [ValueID(100)],
        attributes: ["activations": .strings(names), "activation_alpha": .floats(alphas)])
      return try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
        wantedOutputs: [true]
      ).map { try #require(try $0?.tensor) }
    }
    let expected = try outputs(["Sigmoid", "LeakyRelu"], [0.3])
    #expect(
      try largestDifference(try outputs(["sigmoid", "leakyrelu"], [0.3, 0.9])[0], expected[0]) == 0)
    #expect(
      try largestDifference(try outputs(["Sigmoid", "LeakyRelu"], [])[0], expected[0]) > 1e-3)
  }
}

/// A recurrent node by the formulas of the specification, with its default activations.
private struct Specification {
  let recurrent: RecurrentTests.Case
  let inputs: [[Double]?]
  let lengths: [Int]

  init(_ recurrent: RecurrentTests.Case, _ inputs: [Tensor?]) throws {
    self.recurrent = recurrent
    lengths =
      recurrent.lengths.map { $0.map { Int($0) } }
      ?? Array(repeating: recurrent.steps, count: recurrent.batch)
    self.inputs = try inputs.map { tensor in
      try tensor?.elementType == .int32 ? nil : tensor?.converted(to: .double).elements()
    }
  }

  private func element(_ input: Int, _ index: Int) -> Double {
    input < inputs.count ? inputs[input]?[index] ?? 0 : 0
  }

  private func clipped(_ x: Double) -> Double {
    guard let clip = recurrent.clip else { return x }
    return min(max(x, -Double(clip)), Double(clip))
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-clipped(x))) }

  func outputs() throws -> [Tensor] {
    let (steps, batch, units) = (recurrent.steps, recurrent.batch, recurrent.units)
    let (width, gates, directions) = (recurrent.inputs, recurrent.gateCount, recurrent.directions)
    let isBatchFirst = recurrent.isBatchFirst
    var y = [Double](repeating: 0, count: steps * directions * batch * units)
    var states = [[Double]](
      repeating: [Double](repeating: 0, count: directions * batch * units), count: 2)
    for direction in 0..<directions {
      for sequence in 0..<batch {
        let stateRow =
          isBatchFirst ? sequence * directions + direction : direction * batch + sequence
        var h = (0..<units).map { element(5, stateRow * units + $0) }
        var c = (0..<units).map { recurrent.cell == "LSTM" ? element(6, stateRow * units + $0) : 0 }
        let isReverse = recurrent.direction == "reverse" || direction == 1
        let times = Array(0..<lengths[sequence])
        for time in isReverse ? times.reversed() : times {
          let xRow = isBatchFirst ? sequence * steps + time : time * batch + sequence
          func input(_ gate: Int, _ unit: Int) -> Double {
            let row = (direction * gates + gate) * units + unit
            var sum = element(3, direction * 2 * gates * units + gate * units + unit)
            for k in 0..<width { sum += element(0, xRow * width + k) * element(1, row * width + k) }
            return sum
          }
          func state(_ gate: Int, _ unit: Int, _ h: [Double]) -> Double {
            let row = (direction * gates + gate) * units + unit
            var sum = element(3, (direction * 2 + 1) * gates * units + gate * units + unit)
            for k in 0..<units { sum += h[k] * element(2, row * units + k) }
            return sum
          }
          func peephole(_ gate: Int, _ unit: Int) -> Double {
            element(7, (direction * 3 + gate) * units + unit)
          }
          var next = h
          switch recurrent.cell {
          case "LSTM":
            for unit in 0..<units {
              func sum(_ gate: Int) -> Double { input(gate, unit) + state(gate, unit, h) }
              let i = sigmoid(sum(0) + peephole(0, unit) * c[unit])
              let f = sigmoid(sum(2) + peephole(2, unit) * c[unit])
              c[unit] = f * c[unit] + i * tanh(clipped(sum(3)))
              let o = sigmoid(sum(1) + peephole(1, unit) * c[unit])
              next[unit] = o * tanh(c[unit])
            }
          case "GRU":
            let z = (0..<units).map { sigmoid(input(0, $0) + state(0, $0, h)) }
            let r = (0..<units).map { sigmoid(input(1, $0) + state(1, $0, h)) }
            let reset = zip(r, h).map { $0 * $1 }
            for unit in 0..<units {
              let product =
                recurrent.isLinearBeforeReset
                ? r[unit] * state(2, unit, h) : state(2, unit, reset)
              let candidate = tanh(clipped(input(2, unit) + product))
              next[unit] = (1 - z[unit]) * candidate + z[unit] * h[unit]
            }
          default:
            for unit in 0..<units {
              next[unit] = tanh(clipped(input(0, unit) + state(0, unit, h)))
            }
          }
          h = next
          let yRow =
            isBatchFirst
            ? (sequence * steps + time) * directions + direction
            : (time * directions + direction) * batch + sequence
          for unit in 0..<units { y[yRow * units + unit] = h[unit] }
        }
        guard lengths[sequence] > 0 else { continue }
        for unit in 0..<units {
          states[0][stateRow * units + unit] = h[unit]
          states[1][stateRow * units + unit] = c[unit]
        }
      }
    }
    let outputShape =
      isBatchFirst
      ? [batch, steps, directions, units] : [steps, directions, batch, units]
    let stateShape = isBatchFirst ? [batch, directions, units] : [directions, batch, units]
    let all = [
      try Tensor(y, shape: outputShape), try Tensor(states[0], shape: stateShape),
      try Tensor(states[1], shape: stateShape),
    ]
    return Array(all.prefix(recurrent.cell == "LSTM" ? 3 : 2))
  }
}
