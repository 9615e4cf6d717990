import GraftExecution
import GraftFiles
import GraftTensor

extension PrepareContext {
  /// The elements that one thread converts before it releases their pages, so that reading a large
  /// file does not make all of it resident.
  private static let convertedPart = 1 << 20

  /// Whether ``narrowed(_:atLeast:)`` gives a constant input in bfloat16.
  func keepsNarrow(_ input: Int, atLeast byteCount: Int) -> Bool {
    guard precision == .bfloat16, let constant = constant(input) else { return false }
    return constant.elementType == .float && constant.byteCount >= byteCount
  }

  /// A constant input of floats in bfloat16, rounded to nearest, ties to even.
  ///
  /// - Parameter byteCount: smaller inputs stay as they are
  /// - Returns: `nil` if reduced precision was not requested, or this input stays as it is
  func narrowed(_ input: Int, atLeast byteCount: Int) throws -> Tensor? {
    guard keepsNarrow(input, atLeast: byteCount), let constant = constant(input) else { return nil }
    return try packedConstants.packed(
      constant, format: "bfloat16", elementType: .bfloat16, shape: constant.shape
    ) {
      let narrowed = try Tensor(zeros: .bfloat16, shape: constant.shape)
      let count = constant.elementCount
      let partSize = PrepareContext.convertedPart
      _ = try ThreadPool.shared.map(
        (count + partSize - 1) / partSize, threads: packedConstants.threadCount
      ) { part in
        let start = part * partSize
        let partCount = min(partSize, count - start)
        let offset = start * ElementType.float.byteWidth
        try ElementConversion.convert(
          constant.baseAddress + offset, .float,
          to: narrowed.baseAddress + start * ElementType.bfloat16.byteWidth, .bfloat16,
          count: partCount)
        let first = constant.byteOffset + offset
        constant.storage.releasePages(
          first..<first + partCount * ElementType.float.byteWidth)
        return true
      }
      return narrowed
    }
  }
}
