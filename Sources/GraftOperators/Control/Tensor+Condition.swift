import GraftFiles
import GraftTensor

extension Tensor {
  /// The single Boolean of a condition.
  ///
  /// - Throws: `GraftError` if it is anything else
  var condition: Bool {
    get throws {
      guard elementType == .bool, elementCount == 1 else {
        throw GraftError.badData("the condition is \(elementType)\(shape); expected one bool")
      }
      return baseAddress.load(as: UInt8.self) != 0
    }
  }

  /// The single int64 of a count.
  ///
  /// - Throws: `GraftError` if it is anything else
  var count: Int {
    get throws {
      guard elementType == .int64, elementCount == 1 else {
        throw GraftError.badData("the trip count is \(elementType)\(shape); expected one int64")
      }
      return Int(baseAddress.loadUnaligned(as: Int64.self))
    }
  }
}
