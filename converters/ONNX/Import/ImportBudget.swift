import GraftFiles
import GraftTensor

/// The nodes and bytes that one import may still use.
///
/// A small file can reuse the same thing many times: functions by calls, tensors and graphs by
/// references, external data by initializers. All of these draw on one budget, which grows with the
/// actual size of the model's files.
final class ImportBudget {
  private let limits: ImportLimits
  private var nodeCount = 0
  private var byteCount = 0
  private var allowedByteCount: Int

  init(limits: ImportLimits) {
    self.limits = limits
    self.allowedByteCount = limits.bytes
  }

  /// Adds the size of one of the model's files; call it once per file.
  func add(storedByteCount: Int) {
    let (bytes, overflow) = storedByteCount.multipliedReportingOverflow(
      by: limits.bytesPerStoredByte)
    allowedByteCount += min(overflow ? .max : bytes, .max - allowedByteCount)
  }

  /// - Throws: `GraftError` if the budget is exceeded
  func reserve(bytes: Int) throws {
    guard bytes <= allowedByteCount - byteCount else {
      throw GraftError.badData(
        "needs more than \(allowedByteCount) bytes of memory, too much for the size of its files",
        hint: "It reuses the same stored bytes, attributes or functions too many times")
    }
    byteCount += bytes
  }

  /// Takes the memory of a tensor's elements, without the characters of strings.
  func reserve(_ elementType: ElementType, _ shape: Shape) throws {
    let width = elementType == .string ? MemoryLayout<String>.stride : elementType.byteWidth
    let (bytes, overflow) = try shape.checkedElementCount().multipliedReportingOverflow(by: width)
    try reserve(bytes: overflow ? .max : bytes)
  }

  /// - Throws: `GraftError` if inlining adds too many nodes
  func reserveInlinedNode() throws {
    nodeCount += 1
    try requireInlinedNodes(nodeCount)
  }

  /// - Throws: `GraftError` if inlining adds more than the allowed nodes
  func requireInlinedNodes(_ count: Int) throws {
    guard count <= limits.inlinedNodes else {
      throw GraftError.badData(
        "has functions whose inlining adds more than \(limits.inlinedNodes) nodes")
    }
  }
}
