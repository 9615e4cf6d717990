import GraftTensor

extension ElementType {
  /// The numbers in double precision that an integer of this type can hold; `nil` of other types.
  var realRange: ClosedRange<Double>? {
    func range<Integer: FixedWidthInteger>(_: Integer.Type) -> ClosedRange<Double> {
      // The largest integer of 64 bits is rounded up, to one more than it.
      let end = Double(Integer.max)
      return Double(Integer.min)...(Integer(exactly: end) == nil ? end.nextDown : end)
    }
    switch self {
    case .int8: return range(Int8.self)
    case .uint8: return range(UInt8.self)
    case .int16: return range(Int16.self)
    case .uint16: return range(UInt16.self)
    case .int32: return range(Int32.self)
    case .uint32: return range(UInt32.self)
    case .int64: return range(Int64.self)
    case .uint64: return range(UInt64.self)
    default: return nil
    }
  }
}

extension Double {
  /// The nearest number of a range; NaN becomes the lowest one.
  func limited(to range: ClosedRange<Double>) -> Double {
    self > range.lowerBound ? min(self, range.upperBound) : range.lowerBound
  }
}
