import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor
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
      let result = try GradientCheck(named.type, example).result()
      let name = "\(named.type.schema.name) \(example.name)"
      #expect(result.largestDifference < 1e-5, "\(name)")
      #expect(result.kinkCount == 0, "\(name): differentiable examples have no kinks")
    }
  }

  /// At least this many operators must have gradients.
  @Test func operatorsWithGradientsWereFound() { #expect(Self.types.count >= 100) }
}

extension GradientCheck {
  /// Of one node, in double.
  fileprivate init(_ type: any Operator.Type, _ example: OperatorExample) throws {
    var graph = Graph(name: type.schema.name)
    var ids: [ValueID?] = []
    var given: [Tensor] = []
    for (position, tensor) in example.inputs.enumerated() {
      guard let tensor else {
        ids.append(nil)
        continue
      }
      let isFloat = alwaysFloatInputs[type.schema.name]?.contains(position) ?? false
      let wide = isFloat ? tensor : try tensor.widened()
      if example.differentiableInputs.contains(position) {
        ids.append(
          graph.addInput(
            name: "input_\(position)",
            type: TensorType(wide.elementType, [Dimension](wide.shape))))
        given.append(wide)
      } else {
        ids.append(graph.addConstant(wide))
      }
    }
    let outputs = graph.addNode(
      type.schema.name, domain: type.schema.domain, ids, attributes: example.attributes,
      outputCount: example.outputs.count)
    let summed = zip(outputs, example.outputs).enumerated().filter { position, pair in
      guard let expected = pair.1, expected.elementType.isFloatingPoint else { return false }
      return example.differentiableOutputs?.contains(position) ?? true
    }
    try self.init(
      graph, inputs: given, positions: Array(given.indices), outputs: summed.map { $0.element.0 })
  }
}
