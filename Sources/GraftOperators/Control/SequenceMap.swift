import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs its body for each element of a sequence, and makes sequences of what it computes.
///
/// Further inputs are sequences of the same length, whose elements go along, or tensors, which the
/// body gets whole.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceMap.html>
struct SequenceMap: ControlOperator {
  static let schema = OperatorSchema(
    "SequenceMap", since: [17], sameSince: 17, inputs: 1...OperatorSchema.unlimited,
    outputs: 1...OperatorSchema.unlimited)

  let bodies: [ByteString: Graph]
  private let inputCount: Int
  private let outputCount: Int

  init(_ attributes: AttributeReader) throws {
    let body = try attributes.required("body", attributes.graph("body"))
    bodies = ["body": body]
    inputCount = body.inputs.count
    outputCount = body.outputs.count
  }

  func infer(_ context: inout InferenceContext) throws {
    guard context.inputCount == inputCount else {
      throw GraftError.badData("has \(context.inputCount) inputs; its body has \(inputCount)")
    }
    guard context.outputCount <= outputCount else {
      throw GraftError.badData("has \(context.outputCount) outputs; its body has \(outputCount)")
    }
    var elements: [ValueType?] = []
    for index in 0..<inputCount {
      switch (try? context.type(index)) ?? nil {
      case .sequence(let element): elements.append(element.withoutShape)
      case .tensor(let type) where index > 0: elements.append(.tensor(type))
      case nil: elements.append(nil)
      case let type?:
        throw GraftError.badData(
          "input \(index) is \(type); expected a sequence\(index > 0 ? " or a tensor" : "")")
      }
    }
    // A body that does not fit together is an error only if it runs.
    guard let values = try? context.inferBody("body", elements) else { return }
    for index in 0..<context.outputCount {
      if let type = values[index].type { context.setOutput(index, .sequence(type)) }
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let wanted = context.wantedOutputs
    let (inputCount, outputCount) = (inputCount, outputCount)
    return .control([try context.body("body")], allocates: wanted) { run in
      let inputs = try (0..<inputCount).map { try run.input($0) }
      guard case .sequence(let first) = inputs[0] else {
        throw GraftError.badData("input 0 is \(inputs[0].kind); expected a sequence")
      }
      for (index, input) in inputs.enumerated() {
        guard case .sequence(let elements) = input, elements.count != first.count else { continue }
        throw GraftError.badData(
          "input \(index) has \(elements.count) elements; input 0 has \(first.count)")
      }
      var results = [[RuntimeValue]](repeating: [], count: outputCount)
      var reserved = 0
      defer { run.memory?.release(reserved) }
      for position in first.indices {
        try run.countTrip(isPlanned: false)
        let values = try run.bodies[0].run(
          inputs.map { input in
            if case .sequence(let elements) = input { elements[position] } else { input }
          }, run.memory)
        for index in wanted.indices where wanted[index] {
          let byteCount = values[index].memoryByteCount
          try run.memory?.reserve(byteCount)
          reserved += byteCount
          results[index].append(values[index])
        }
      }
      for index in wanted.indices where wanted[index] {
        run.results[index] = .sequence(results[index])
      }
    }
  }

  static var examples: [OperatorExample] {
    let sum = Graph.example("sum") { body in
      let element = body.addInput(name: "element", type: TensorType(.float, nil))
      let other = body.addInput(name: "other", type: TensorType(.float, nil))
      return [body.addNode("Add", [element, other])]
    }
    let elements: [RuntimeValue] = [.tensor(.floats([1], [1])), .tensor(.floats([2, 3], [2]))]
    return [
      OperatorExample(
        "two sequences", attributes: ["body": .graph(sum)],
        values: [.sequence(elements), .sequence(elements)],
        results: [.sequence([.tensor(.floats([2], [1])), .tensor(.floats([4, 6], [2]))])]),
      OperatorExample(
        "a tensor for all", attributes: ["body": .graph(sum)],
        values: [.sequence(elements), .tensor(.floats([10], []))],
        results: [.sequence([.tensor(.floats([11], [1])), .tensor(.floats([12, 13], [2]))])]),
    ]
  }
}
