import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Rounds to the nearest number of a narrower type, ties to even, and keeps it as a float. Lowering
/// uses it where it computes float16 and bfloat16 values in float.
///
/// The attribute `to` names the narrower type as Cast does.
package struct RoundToType: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "RoundToType", domain: "graft", since: [1], inputs: 1...1)
  static let elementTypes: Set<ElementType> = [.float]

  private let rounding: Rounding

  package init(_ attributes: AttributeReader) throws {
    rounding = try Rounding(try attributes.required("to", attributes.value(.narrowType)))
  }

  var floatFunction: FloatFunction? {
    rounding == .float16
      ? FloatFunction({ $0.round_to_float16 }) : FloatFunction({ $0.round_to_bfloat16 })
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let function = try context.vectorFunction { table in floatFunction.flatMap { $0.select(table) }
    }
    return .parallel(
      count: try context.input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      function(
        arguments.input(0, as: Float.self) + range.lowerBound,
        arguments.output(0, as: Float.self) + range.lowerBound, range.count, 0, 0)
    }
  }

  package static var examples: [OperatorExample] {
    let numbers: [Float] = [
      1, 1.000_488_3, 1.001_464_8, -65519, 65520, 0x1p-24, 0x1.8p-24, -0x1p-26, .infinity, .nan,
    ]
    return [
      OperatorExample(
        "float16", attributes: ["to": .int(10)], inputs: [.floats(numbers, [10])],
        outputs: [
          .floats(
            [1, 1, 1.001_953_1, -65504, .infinity, 0x1p-24, 0x1p-23, -0.0, .infinity, .nan], [10])
        ],
        tolerance: 0),
      OperatorExample(
        "bfloat16", attributes: ["to": .int(16)],
        inputs: [.floats([1, 1.003_906_3, 1.011_718_8, -0x1.ffp127, 0x1p-133, .nan], [6])],
        outputs: [.floats([1, 1, 1.015_625, -.infinity, 0x1p-133, .nan], [6])], tolerance: 0),
    ]
  }
}

extension AttributeKey<ElementType> {
  /// What RoundToType rounds to.
  package static var narrowType: Self { Self("to") }
}

/// The type to which float kernels round their results.
enum Rounding: Sendable, Equatable {
  case none
  case float16
  case bfloat16

  /// - Throws: `GraftError` if there is no rounding to this type
  init(_ type: ElementType?) throws {
    switch type {
    case nil: self = .none
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    default:
      throw GraftError.badData("results are rounded to float16 or bfloat16, not to \(type!)")
    }
  }

  /// The number of the rounding in C kernels.
  var code: Int32 {
    switch self {
    case .none: Int32(GRAFT_ROUNDING_NONE)
    case .float16: Int32(GRAFT_ROUNDING_FLOAT16)
    case .bfloat16: Int32(GRAFT_ROUNDING_BFLOAT16)
    }
  }
}
