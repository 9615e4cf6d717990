import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// The gradients of LSTM, GRU and RNN where their units and sequences take several blocks and
/// tasks; small ones are among the operators' examples.
@Suite struct RecurrentGradientTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var cell = "LSTM"
    var steps = 3
    var batch = 2
    var inputs = 3
    var units = 19
    var direction = "forward"
    var layout = 0
    var attributes: [ByteString: Attribute] = [:]
    var lengths: [Int32]?
    var testDescription: String { "\(cell) \(batch) \(units) \(direction) \(attributes)" }
  }

  static let cases: [Case] = {
    var cases: [Case] = []
    for cell in ["LSTM", "GRU", "RNN"] {
      cases += [
        Case(cell: cell, direction: "bidirectional", lengths: [3, 1]),
        Case(cell: cell, batch: 17, units: 5, layout: 1, lengths: (0..<17).map { $0 % 4 }),
        Case(cell: cell, direction: "reverse", layout: 1, attributes: ["clip": .float(1.5)]),
        // Steps are phases whose tasks take some units.
        Case(cell: cell, steps: 2, batch: 1, inputs: 2, units: 263),
      ]
    }
    let linear: [ByteString: Attribute] = ["linear_before_reset": .int(1)]
    cases += [
      Case(cell: "GRU", direction: "bidirectional", layout: 1, attributes: linear),
      Case(cell: "GRU", steps: 2, batch: 1, inputs: 2, units: 263, attributes: linear),
      Case(attributes: ["input_forget": .int(1)]),
    ]
    return cases
  }()

  @Test(arguments: cases) func gradientsHold(_ recurrent: Case) throws {
    let (steps, batch, inputs, units) = (
      recurrent.steps, recurrent.batch, recurrent.inputs, recurrent.units
    )
    let gates = ["LSTM": 4, "GRU": 3][recurrent.cell] ?? 1
    let directions = recurrent.direction == "bidirectional" ? 2 : 1
    let isBatchFirst = recurrent.layout == 1
    let state = isBatchFirst ? [batch, directions, units] : [directions, batch, units]
    var shapes: [Shape?] = [
      isBatchFirst ? [batch, steps, inputs] : [steps, batch, inputs],
      [directions, gates * units, inputs], [directions, gates * units, units],
      [directions, 2 * gates * units], nil, state,
    ]
    if recurrent.cell == "LSTM" { shapes += [state, [directions, 3 * units]] }
    var graph = Graph(name: "recurrent")
    var generator = Generator(seed: 5)
    var ids: [ValueID?] = []
    var tensors: [Tensor] = []
    for (index, shape) in shapes.enumerated() {
      guard let shape else {
        ids.append(
          try recurrent.lengths.map { graph.addConstant(try Tensor($0, shape: [batch])) })
        continue
      }
      let scale = index == 2 ? 1 / Double(units).squareRoot() : 1
      let numbers = generator.floats(shape.elementCount).map { Double($0) * scale }
      tensors.append(try Tensor(numbers, shape: shape))
      ids.append(
        graph.addInput(name: "input_\(index)", type: TensorType(.double, [Dimension](shape))))
    }
    var attributes = recurrent.attributes
    attributes["direction"] = .string(recurrent.direction)
    attributes["layout"] = .int(recurrent.layout)
    attributes["hidden_size"] = .int(units)
    let outputs = graph.addNode(
      recurrent.cell, ids, attributes: attributes,
      outputCount: recurrent.cell == "LSTM" ? 3 : 2)
    let check = try GradientCheck(
      graph, inputs: tensors, positions: Array(tensors.indices), outputs: outputs)
    let result = try check.result(limit: 20)
    #expect(result.largestDifference < 1e-5)
    #expect(result.kinkCount <= (recurrent.attributes["clip"] == nil ? 0 : 4))
  }
}
