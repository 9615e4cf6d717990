import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// An operand of a step in a fused chain.
package enum ElementwiseOperand: Hashable, Sendable {
  case input(Int)
  case result(ofStep: Int)

  /// Decodes the form of the attribute `operands`.
  init(_ number: Int) {
    self = number >= 0 ? .input(number) : .result(ofStep: -1 - number)
  }

  package var number: Int {
    switch self {
    case .input(let index): index
    case .result(let step): -1 - step
    }
  }

  func isKnown(beforeStep step: Int) -> Bool {
    if case .result(let other) = self { other < step } else { true }
  }
}

/// One operator of a fused chain.
struct ElementwiseStep: Sendable {
  let function: ElementwiseFunction
  let operands: [ElementwiseOperand]
}

/// The function of one step in a fused chain.
enum ElementwiseFunction: Sendable {
  case unary(FloatFunction)
  /// The second operand is broadcast to the first if `isOneSided`, otherwise either to the other.
  case binary(
    @Sendable (graft_binary_table) -> graft_binary_f32_rows?, isOneSided: Bool)
  /// Value, lower bound, upper bound.
  case clip
  /// Value, mean, scale, shift.
  case normalize

  static let normalizeName = "Normalize"

  /// - Throws: `GraftError` if there is no such function, or its attributes are invalid
  init(_ name: String, _ attributes: AttributeReader) throws {
    if name == Self.normalizeName {
      self = .normalize
    } else if name == Clip.schema.name {
      self = .clip
    } else if let type = elementwiseType(name) as? any ElementwiseUnary.Type,
      let function = try type.init(attributes).floatFunction
    {
      self = .unary(function)
    } else if let type = OperatorCatalog.type(name) as? any ArithmeticOperator.Type {
      self = .binary({ type.floatLoops(in: $0) }, isOneSided: name == PRelu.schema.name)
    } else {
      throw GraftError.badData("operator '\(name)' cannot be a step of a fused chain")
    }
  }

  var operandCount: Int {
    switch self {
    case .unary: 1
    case .binary: 2
    case .clip: 3
    case .normalize: 4
    }
  }
}

/// The operator with the name of a step.
private func elementwiseType(_ name: String) -> (any Operator.Type)? {
  name == RoundToType.schema.name ? RoundToType.self : OperatorCatalog.type(name)
}

/// The operators that the fusion pass may fuse.
package enum FusibleElementwise {
  package static let maximumInputCount = FusedElementwise.maximumInputCount
  package static let maximumStepCount = FusedElementwise.maximumStepCount
  package static let normalizeName = ElementwiseFunction.normalizeName

  /// Whether an operator maps each float separately, by a function in C.
  package static func isUnary(_ type: any Operator.Type, _ attributes: AttributeReader) -> Bool {
    guard let type = type as? any ElementwiseUnary.Type else { return false }
    return (try? type.init(attributes).floatFunction) != nil
  }

  /// Whether an ONNX operator combines floats from left to right, by a function in C.
  package static func isBinary(_ type: any Operator.Type) -> Bool {
    guard let type = type as? any ArithmeticOperator.Type else { return false }
    return type.floatLoops(in: InstructionSet.scalar.kernels.pointee.binary.pointee) != nil
  }
}
