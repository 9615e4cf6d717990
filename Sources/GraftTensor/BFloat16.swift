/// The upper half of a `Float`.
package struct BFloat16: TensorElement, Hashable {
  package var bitPattern: UInt16

  package static var elementType: ElementType { .bfloat16 }

  package init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// The nearest value, ties to even; NaN stays NaN.
  package init(_ value: Float) {
    let bits = value.bitPattern
    if value.isNaN {
      bitPattern = UInt16(bits >> 16) | 0x40
    } else {
      bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
    }
  }

  /// The nearest value, with a single rounding: rounding to odd as `Float` first keeps ties apart.
  package init(rounding value: Double) {
    let nearest = Float(value)
    guard !nearest.isNaN, !nearest.isInfinite, Double(nearest) != value else {
      self.init(nearest)
      return
    }
    // One of the two floats around `value` has an odd last bit.
    let other = (Double(nearest) < value) ? nearest.nextUp : nearest.nextDown
    self.init(nearest.bitPattern & 1 == 1 ? nearest : other)
  }

  package var float: Float { Float(bitPattern: UInt32(bitPattern) << 16) }
}
