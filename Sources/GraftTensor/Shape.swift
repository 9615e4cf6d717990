import GraftFiles

/// The extents of a tensor, outermost first.
package typealias Shape = [Int]

extension Array where Element == Int {
  /// The number of elements of a tensor of this shape; 1 for a scalar.
  ///
  /// - Throws: `GraftError` if an extent is negative or the product overflows, even without zero
  ///   extents: kernels may loop over the others
  package func checkedElementCount() throws -> Int {
    var count = 1
    var hasZero = false
    for extent in self {
      guard extent >= 0 else {
        throw GraftError.badData("shape \(self) has the negative extent \(extent)")
      }
      if extent == 0 {
        hasZero = true
        continue
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= 1 << 48 else {
        throw GraftError.badData("shape \(self) has too many elements")
      }
      count = product
    }
    guard !hasZero || count <= 1 << 28 else {
      throw GraftError.badData("shape \(self) is empty, but its other extents are too large")
    }
    return hasZero ? 0 : count
  }

  /// The product of all, which are not negative; `nil` if it does not fit.
  package var checkedProduct: Int? {
    var product = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// The number of elements of a checked shape.
  package var elementCount: Int { reduce(1, *) }

  /// The number of elements between neighbours along each axis of a dense row-major tensor.
  package var denseStrides: [Int] {
    var strides = [Int](repeating: 1, count: count)
    var step = 1
    for axis in indices.reversed() {
      strides[axis] = step
      step *= self[axis]
    }
    return strides
  }
}

/// The axis counted from the front: `-1` is the last.
///
/// - Throws: `GraftError` if `axis` is outside `-rank ..< rank`
package func normalizedAxis(_ axis: Int, rank: Int) throws -> Int {
  guard axis >= -rank, axis < rank else {
    throw GraftError.badData("axis \(axis) is out of range for rank \(rank)")
  }
  return axis < 0 ? axis + rank : axis
}
