import GraftFiles
import GraftTensor

/// What one import may still take: nodes that come of inlining, and bytes.
///
/// A file can name the same thing many times, each for a few bytes: a function by its calls, a
/// tensor or graph by references to it, a stretch of external data by initializers. All of that draws
/// on one budget, which grows with the bytes that the model's files really have.
final class ImportBudget {
  private let limits: ImportLimits
  private var nodeCount = 0
  private var byteCount = 0
  private var allowedByteCount: Int

  init(limits: ImportLimits) {
    self.limits = limits
    self.allowedByteCount = limits.bytes
  }

  /// Counts the bytes of a file of the model, each file once.
  func add(storedByteCount: Int) {
    let (bytes, overflow) = storedByteCount.multipliedReportingOverflow(
      by: limits.bytesPerStoredByte)
    allowedByteCount += min(overflow ? .max : bytes, .max - allowedByteCount)
  }

  /// - Throws: `GraftError` if that is more than what is left.
  func take(bytes: Int) throws {
    guard bytes <= allowedByteCount - byteCount else {
      throw GraftError.badData(
        "takes too much memory for the size of its files: more than \(allowedByteCount) bytes",
        hint: "It uses the same stored bytes, attributes or functions too many times")
    }
    byteCount += bytes
  }

  /// Takes the memory of a tensor's elements, without the characters of strings.
  func take(_ elementType: ElementType, _ shape: Shape) throws {
    let width = elementType == .string ? MemoryLayout<String>.stride : elementType.byteWidth
    let (bytes, overflow) = try shape.checkedElementCount().multipliedReportingOverflow(by: width)
    try take(bytes: overflow ? .max : bytes)
  }

  /// - Throws: `GraftError` if inlining makes too many nodes.
  func takeInlinedNode() throws {
    nodeCount += 1
    guard nodeCount <= limits.inlinedNodes else {
      throw GraftError.badData(
        "grows by more than \(limits.inlinedNodes) nodes by inlining functions")
    }
  }
}
