import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sequence of the sums of the tensors at each place of some sequences: gradients that arrive
/// at one sequence from several readers.
///
/// All sequences have the same number of elements, and those at a place have one shape.
package struct SequenceSum: Operator {
  package static let schema = OperatorSchema(
    "SequenceSum", domain: "graft", since: [1], inputs: 1...OperatorSchema.unlimited)

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    var element = try context.sequenceElement(0)
    for index in 1..<max(1, context.inputCount) {
      let other = try context.sequenceElement(index)
      guard let joined = element.joined(with: other) else {
        throw GraftError.badData("input \(index) has elements \(other), input 0 has \(element)")
      }
      element = joined
    }
    context.setOutput(0, .sequence(element))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let sum = try Sum(AttributeReader([:]))
    return .growing { values, memory in
      let inputs = SequenceInputs(values: values)
      let sequences = try values.indices.map { try inputs.sequence($0) }
      guard sequences.allSatisfy({ $0.count == sequences[0].count }) else {
        throw GraftError.badData("has sequences of different lengths: \(sequences.map(\.count))")
      }
      try memory.require([sequences[0].memoryByteCount])
      return [
        .sequence(
          try sequences[0].indices.map { place -> RuntimeValue in
            let terms = try sequences.map { try $0[place].tensor }
            guard terms.allSatisfy({ $0.shape == terms[0].shape }) else {
              throw GraftError.badData(
                "has elements of different shapes: \(terms.map(\.shape))")
            }
            let result = try evaluate(
              sum, inputs: terms.map { .tensor($0) }, wantedOutputs: [true],
              memoryLimit: memory.byteCount)
            guard let total = result[0] else { throw GraftError(.software, "a sum is missing") }
            return total
          })
      ]
    }
  }

  package static var examples: [OperatorExample] {
    func sequence(_ first: Float, _ second: Float) -> RuntimeValue {
      .sequence([.tensor(.floats([first, 1], [2])), .tensor(.floats([second], [1, 1]))])
    }
    return [
      OperatorExample(
        "three sequences", values: [sequence(1, 2), sequence(3, 4), sequence(5, 6)],
        results: [
          .sequence([.tensor(.floats([9, 3], [2])), .tensor(.floats([12], [1, 1]))])
        ]),
      OperatorExample(
        "one without elements", values: [.sequence([])],
        types: [.sequence(.tensor(TensorType(.float, nil)))], results: [.sequence([])]),
    ]
  }
}
