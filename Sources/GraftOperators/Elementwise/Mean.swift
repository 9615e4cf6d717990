import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// The mean of any number of inputs with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Mean.html>
package struct Mean: BinaryOperator {
  package static let schema = OperatorSchema(
    "Mean", since: [1, 6, 8, 13], sameSince: 8, inputs: 1...OperatorSchema.unlimited)

  package func infer(_ context: inout InferenceContext) throws {
    let indices = Array(0..<context.inputCount)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType(indices)
    try context.setBroadcastOutput(try context.elementType(0), inputs: indices)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = context.inputs.count
    switch try context.output(0).elementType {
    case .float:
      let table = context.instructionSet.kernels.pointee.binary.pointee
      return try context.foldKernel(BinaryRows(table.add)) { results, length in
        for index in 0..<length { results[index] /= Float(count) }
      }
    case .double:
      return try context.foldKernel(BinaryRows(FloatingPointElements<Add, Double>.self)) {
        results, length in
        for index in 0..<length { results[index] /= Double(count) }
      }
    default:
      return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  /// dx = dy / n for each input
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let count = try builder.addScalar(Double(builder.node.inputs.count), like: gradient)
    let part = builder.add("Div", [gradient, count])
    for index in builder.node.inputs.indices where builder.needs(index) {
      try builder.setBroadcastInputGradient(index, part)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three inputs",
        inputs: [.floats([3, 0, 2], [3]), .floats([1, 3, 4], [3]), .floats([2, 6, 6], [3])],
        outputs: [.floats([2, 3, 4], [3])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "two inputs, broadcast", inputs: [.floats([1, 2], [2, 1]), .floats([3, 5], [2])],
        outputs: [.floats([2, 3, 2.5, 3.5], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "one input", inputs: [.floats([3, 0], [2])], outputs: [.floats([3, 0], [2])],
        differentiableInputs: [0]),
    ]
  }
}
