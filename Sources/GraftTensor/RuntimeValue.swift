import GraftFiles

/// A value that flows along an edge at run time.
package enum RuntimeValue: Sendable {
  case tensor(Tensor)
  case sequence([RuntimeValue])
  /// `nil` is the empty optional.
  indirect case optional(RuntimeValue?)

  /// - Throws: `GraftError` if the value is not a tensor
  package var tensor: Tensor {
    get throws {
      guard case .tensor(let tensor) = self else {
        throw GraftError.badData("expected a tensor, found \(kind)")
      }
      return tensor
    }
  }

  package var kind: String {
    switch self {
    case .tensor: "a tensor"
    case .sequence: "a sequence"
    case .optional: "an optional"
    }
  }
}
