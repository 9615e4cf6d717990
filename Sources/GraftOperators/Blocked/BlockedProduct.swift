import CGraftKernels
import GraftExecution

/// The register tile of a convolution in the blocked layout.
struct BlockedProduct: Sendable {
  private let instructionSet: InstructionSet
  /// The instructions for weights in bfloat16; `nil` for weights in float.
  private let bfloat16Instructions: Int32?

  /// With weights of float.
  init(_ instructionSet: InstructionSet) {
    self.instructionSet = instructionSet
    bfloat16Instructions = nil
  }

  /// With weights in bfloat16, multiplied by rows rounded to bfloat16; `nil` if this processor has
  /// no such product.
  init?(_ instructionSet: InstructionSet, _ bfloat16Instructions: BFloat16Instructions) {
    self.instructionSet = instructionSet
    self.bfloat16Instructions = bfloat16Instructions.rawValue
    if pointer == nil { return nil }
  }

  private var narrowsWeights: Bool { bfloat16Instructions != nil }

  /// The form of the C kernels.
  var pointer: UnsafePointer<graft_blocked_product>? {
    guard let bfloat16Instructions else {
      return graft_blocked_f32_product(instructionSet.kernels.pointee.blocked)
    }
    return graft_blocked_bf16_product(instructionSet.rawValue, bfloat16Instructions)
  }

  /// The columns of a panel of weights.
  var panelColumns: Int { pointer?.pointee.panel_columns ?? 0 }
  /// The rows of a full tile.
  var maximumRows: Int { pointer?.pointee.maximum_rows ?? 0 }

  /// The floats of a number of packed weights.
  func floatCount(ofWeights count: Int) -> Int { narrowsWeights ? count / 2 : count }

  /// The part of a format's name that determines the bytes of packed weights.
  var format: String { "\(panelColumns)\(narrowsWeights ? "/bfloat16" : "")" }
}
