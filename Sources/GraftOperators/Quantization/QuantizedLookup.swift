import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A function of single bytes: each becomes the element of a table that its bits number.
///
/// Inputs: x; table [256]. The result has the table's type.
package struct QuantizedLookup: Operator {
  package static let schema = OperatorSchema(
    "QuantizedLookup", domain: "graft", since: [1], inputs: 2...2)
  package static let operandCount = 1

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 1] { try context.require(index, .bytes) }
    try context.requireShape(1, [256])
    context.setOutput(0, try context.elementType(1), try context.input(0).shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let instructions = IntegerInstructions(context)
    return .parallel(
      count: try context.output(0).elementCount, grain: 1 << 14, inPlaceInputs: [0]
    ) { arguments, elements in
      instructions.table.look_up(
        arguments.input(0, as: UInt8.self) + elements.lowerBound,
        arguments.input(1, as: UInt8.self),
        arguments.output(0, as: UInt8.self) + elements.lowerBound, elements.count)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "halves",
        inputs: [
          .example([0, -2, 127, -128, 5, 1] as [Int8], [2, 3]),
          .example((0..<256).map { UInt8($0 / 2) }, [256]),
        ],
        outputs: [.example([0, 127, 63, 64, 2, 0] as [UInt8], [2, 3])])
    ]
  }
}
