extension InferenceContext {
  /// - Throws: `GraftError` if an input is known not to have exactly one element.
  func requireOneElement(_ index: Int) throws {
    guard let shape = try input(index).shape?.knownShape else { return }
    guard try shape.checkedElementCount() == 1 else {
      throw GraftError.badData("input \(index) has the shape \(shape); expected a scalar")
    }
  }
}

extension UpgradeContext {
  /// A scalar with the element type of `id`, known or not.
  mutating func addScalar(_ number: Double, like id: ValueID?) throws -> ValueID {
    if let type = type(id)?.elementType {
      return addConstant(try ElementConversion.scalar(number, as: type))
    }
    return addBefore("CastLike", [addConstant(try Tensor(scalar: number)), id])
  }
}

extension Set<ElementType> {
  /// What IsNaN, IsInf and Dropout take.
  static let floatingPointAndFloat8: Self = floatingPoint.union([
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
  ])
}
