import GraftTensor

extension Tensor {
  /// The slices along `axis` with the indices `slices`, in that order.
  ///
  /// - Precondition: the indices are in range
  func selecting(_ slices: [Int], axis: Int) throws -> Tensor {
    var newShape = shape
    newShape[axis] = slices.count
    let inner = shape[(axis + 1)...].reduce(1, *)
    let outer = shape[..<axis].reduce(1, *)
    func starts(_ body: (Int) -> Void) {
      for position in 0..<outer {
        for slice in slices { body((position * shape[axis] + slice) * inner) }
      }
    }
    if elementType == .string {
      var selected: [String] = []
      starts { selected += strings[$0..<$0 + inner] }
      return try Tensor(strings: selected, shape: newShape)
    }
    let result = try Tensor(zeros: elementType, shape: newShape)
    let runBytes = inner * elementType.byteWidth
    var target = result.baseAddress
    starts { start in
      target.copyMemory(from: baseAddress + start * elementType.byteWidth, byteCount: runBytes)
      target += runBytes
    }
    return result
  }

  /// Whether each element differs from 0, false or the empty string; -0 is 0.
  func isNonZero() -> [Bool] {
    if elementType == .string { return strings.map { !$0.isEmpty } }
    let isFloatingPoint = elementType.isFloatingPoint || elementType.isComplex
    // The number itself, or one part of a complex one.
    let width = elementType.byteWidth / (elementType.isComplex ? 2 : 1)
    let partCount = elementType.isComplex ? 2 : 1
    return withUnsafeBytes { bytes in
      (0..<elementCount).map { element in
        (0..<partCount).contains { part in
          let start = (element * partCount + part) * width
          return (start..<start + width).contains { place in
            // Numbers are little-endian: the sign is in the last byte.
            let isSign = isFloatingPoint && place == start + width - 1
            return bytes[place] & (isSign ? 0x7f : 0xff) != 0
          }
        }
      }
    }
  }
}
