extension GradientBuilder {
  /// A scalar with the element type of `id`, known or not.
  mutating func addScalar(_ number: Double, like id: ValueID) throws -> ValueID {
    if let type = type(of: id)?.elementType {
      return addConstant(try ElementConversion.scalar(number, as: type))
    }
    return add("CastLike", [addConstant(try Tensor(scalar: number)), id])
  }
}
