import CGraftKernels
import GraftExecution

/// The register tile that a convolution in the blocked layout is computed with.
struct BlockedProduct: Sendable {
  private let instructionSet: InstructionSet
  /// Those that multiply weights of bfloat16; `nil` for weights of float.
  private let bfloat16Instructions: Int32?

  /// With weights of float.
  init(_ instructionSet: InstructionSet) {
    self.instructionSet = instructionSet
    bfloat16Instructions = nil
  }

  /// With weights of bfloat16, by which rows rounded to bfloat16 are multiplied; `nil` if this processor
  /// has no such product.
  init?(_ instructionSet: InstructionSet, _ bfloat16Instructions: BFloat16Instructions) {
    self.instructionSet = instructionSet
    self.bfloat16Instructions = bfloat16Instructions.rawValue
    if pointer == nil { return nil }
  }

  private var narrowsWeights: Bool { bfloat16Instructions != nil }

  /// As the C kernels take it.
  var pointer: UnsafePointer<graft_blocked_product>? {
    guard let bfloat16Instructions else {
      return graft_blocked_f32_product(instructionSet.kernels.pointee.blocked)
    }
    return graft_blocked_bf16_product(instructionSet.rawValue, bfloat16Instructions)
  }

  /// Columns of a panel of weights.
  var panelColumns: Int { pointer?.pointee.panel_columns ?? 0 }
  /// Rows of a full tile.
  var maximumRows: Int { pointer?.pointee.maximum_rows ?? 0 }

  /// Floats that so many packed weights take.
  func floatCount(ofWeights count: Int) -> Int { narrowsWeights ? count / 2 : count }

  /// What the bytes of packed weights depend on, as part of the name of their format.
  var format: String { "\(panelColumns)\(narrowsWeights ? "/bfloat16" : "")" }
}
