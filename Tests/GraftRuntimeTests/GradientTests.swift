import GraftRuntime
import Testing

/// Every operator's gradient against central differences, in double, over its own examples.
@Suite struct GradientTests {
  static let types = OperatorCatalog.operators
    .filter { type in type.examples.contains { !$0.differentiableInputs.isEmpty } }
    .map { NamedOperator(type: $0) }

  struct NamedOperator: CustomTestStringConvertible, Sendable {
    let type: any Operator.Type
    var testDescription: String { type.schema.name }
  }

  @Test(arguments: types)
  func gradientsHold(_ named: NamedOperator) throws {
    for example in named.type.examples where !example.differentiableInputs.isEmpty {
      let check = try GradientCheck(named.type, example)
      let difference = try check.largestDifference()
      #expect(difference < 1e-5, "\(named.type.schema.name) \(example.name): \(difference)")
    }
  }

  @Test func operatorsWithGradientsWereFound() { #expect(!Self.types.isEmpty) }
}

/// A graph whose scalar loss is a weighted sum of one node's outputs.
private struct GradientCheck {
  let loss: Session
  let gradients: Session
  let inputs: [Tensor]
  /// Inputs that are float whatever the others are.
  private static let floatInputs: [String: Set<Int>] = ["Resize": [1, 2]]

  /// The differentiated inputs, among `inputs`.
  let positions: [Int]

  init(_ type: any Operator.Type, _ example: OperatorExample) throws {
    var graph = Graph(name: type.schema.name)
    var ids: [ValueID?] = []
    var given: [Tensor] = []
    var targets: [ValueID] = []
    var targetPositions: [Int] = []
    for (position, tensor) in example.inputs.enumerated() {
      guard let tensor else {
        ids.append(nil)
        continue
      }
      let isFloat = Self.floatInputs[type.schema.name]?.contains(position) ?? false
      let wide = isFloat ? tensor : try tensor.widened()
      if example.differentiableInputs.contains(position) {
        let id = graph.addInput(
          name: "input_\(position)",
          type: TensorType(wide.elementType, [Dimension](wide.shape)))
        targets.append(id)
        targetPositions.append(given.count)
        given.append(wide)
        ids.append(id)
      } else {
        ids.append(graph.addConstant(wide))
      }
    }
    let outputs = graph.addNode(
      type.schema.name, domain: type.schema.domain, ids, attributes: example.attributes,
      outputCount: example.outputs.count)
    var terms: [ValueID] = []
    for (position, (output, expected)) in zip(outputs, example.outputs).enumerated() {
      guard let expected, expected.elementType.isFloatingPoint,
        example.differentiableOutputs?.contains(position) ?? true
      else { continue }
      let weights = (0..<expected.elementCount).map {
        0.5 + Double(($0 * 7 + position * 3) % 11) / 7
      }
      let weight = graph.addConstant(try Tensor(weights, shape: expected.shape))
      let product = graph.addNode("Mul", [output, weight])
      terms.append(graph.addNode("ReduceSum", [product], attributes: ["keepdims": .int(0)]))
    }
    let total = graph.addNode("Sum", terms, outputName: "loss")
    graph.outputs = [total]
    loss = Session(try Executable(graph))
    let found = try GradientPass.append(to: &graph, loss: total, targets: targets)
    graph.outputs = try targets.map { target in
      guard let gradient = found[target] else {
        throw GraftError(.software, "no gradient reached \(graph[target].name)")
      }
      return gradient
    }
    gradients = Session(try Executable(graph))
    inputs = given
    positions = targetPositions
  }

  func largestDifference() throws -> Double {
    let analytic = try gradients.run(inputs)
    var largest = 0.0
    for (position, gradient) in zip(positions, analytic) {
      #expect(gradient.shape == inputs[position].shape)
      let values = try gradient.elements(as: Double.self)
      let numeric = try differences(position)
      guard values.count == numeric.count else { return .infinity }
      for (value, reference) in zip(values, numeric) {
        let difference = abs(value - reference) / max(1, abs(reference))
        largest = difference.isNaN ? .infinity : max(largest, difference)
      }
    }
    return largest
  }

  private func differences(_ position: Int) throws -> [Double] {
    let start = try inputs[position].elements(as: Double.self)
    return try start.indices.map { index in
      let step = 1e-5 * max(1, abs(start[index]))
      func lossAt(_ value: Double) throws -> Double {
        var moved = start
        moved[index] = value
        var changed = inputs
        changed[position] = try Tensor(moved, shape: inputs[position].shape)
        return try loss.run(changed)[0].elements(as: Double.self)[0]
      }
      return (try lossAt(start[index] + step) - lossAt(start[index] - step)) / (2 * step)
    }
  }
}

extension Tensor {
  /// Floats as doubles; everything else as it is.
  fileprivate func widened() throws -> Tensor {
    guard elementType == .float else { return self }
    return try Tensor(elements(as: Float.self).map(Double.init), shape: shape)
  }
}
