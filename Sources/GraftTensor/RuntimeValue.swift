import GraftFiles

/// A value that flows along an edge at run time.
package enum RuntimeValue: Sendable {
  case tensor(Tensor)
  case sequence(RuntimeSequence)
  /// `nil` is the empty optional.
  indirect case optional(RuntimeValue?)
  indirect case map(RuntimeMap)

  package static func sequence(_ elements: [RuntimeValue]) -> RuntimeValue {
    .sequence(RuntimeSequence(elements))
  }

  /// - Throws: `GraftError` if the value is not a tensor
  package var tensor: Tensor {
    get throws {
      guard case .tensor(let tensor) = self else {
        throw GraftError.badData("expected a tensor, found \(kind)")
      }
      return tensor
    }
  }

  /// - Throws: `GraftError` if the value is not a sequence
  package var sequence: RuntimeSequence {
    get throws {
      guard case .sequence(let elements) = self else {
        throw GraftError.badData("expected a sequence, found \(kind)")
      }
      return elements
    }
  }

  package var kind: String {
    switch self {
    case .tensor: "a tensor"
    case .sequence: "a sequence"
    case .optional: "an optional"
    case .map: "a map"
    }
  }

  /// The memory of the value in bytes.
  package var memoryByteCount: Int {
    switch self {
    case .tensor(let tensor):
      tensor.strings.reduce(tensor.byteCount) {
        $0 + MemoryLayout<String>.stride + $1.utf8.count
      }
    case .sequence(let elements): elements.memoryByteCount
    case .optional(let value): value?.memoryByteCount ?? 0
    case .map(let map): map.memoryByteCount
    }
  }
}
