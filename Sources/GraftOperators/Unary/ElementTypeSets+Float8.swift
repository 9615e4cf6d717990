import GraftTensor

extension Set<ElementType> {
  /// The element types of IsNaN, IsInf and Dropout.
  static let floatingPointAndFloat8: Self = floatingPoint.union([
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
  ])
}
