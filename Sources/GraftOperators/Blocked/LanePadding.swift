import GraftExecution
import GraftFiles
import GraftTensor

/// What the lanes hold that fill up the last block of channels. They must be finite, since a
/// convolution multiplies them by zero weights.
package enum LanePadding: Sendable, Equatable {
  /// The same number in all of them.
  case constant(Float)
  /// Finite numbers that may differ.
  case finite

  package static let zero = constant(0)

  /// Sums of larger numbers, as in Winograd's transforms, could overflow.
  private static let largest: Float = 1e30

  /// `nil` for numbers that padding lanes must not hold.
  package init?(_ number: Float) {
    guard abs(number) <= LanePadding.largest else { return nil }
    self = .constant(number)
  }

  /// The constants of several images; `nil` if one is not known.
  package static func constants(_ paddings: [LanePadding]) -> [Float]? {
    var numbers: [Float] = []
    for padding in paddings {
      guard case .constant(let number) = padding else { return nil }
      numbers.append(number)
    }
    return numbers
  }
}

extension FusedActivation {
  /// What lanes hold after the activation, as kernels compute it; `nil` if that may be infinite.
  func lanePadding(_ padding: LanePadding) throws -> LanePadding? {
    if self == .identity { return padding }
    guard case .constant(let number) = padding else { return nil }
    let inputs = [
      Tensor.blocks([number], [1, 1, 1, 1]), .floats([1], [1]), .floats([0], [1]),
    ]
    let outputs = try evaluate(
      BlockedAffine(self), inputs: inputs.map { .tensor($0) }, wantedOutputs: [true])
    guard let result = try outputs[0]?.tensor.floats() else { return nil }
    return LanePadding(result[0])
  }
}
