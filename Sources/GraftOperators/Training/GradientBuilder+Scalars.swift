extension GradientBuilder {
  /// A scalar of the element type of `id`, which broadcasts against it.
  mutating func addScalar(_ value: Double, like id: ValueID) throws -> ValueID {
    guard let elementType = type(of: id)?.elementType else {
      let constant = addConstant(try Tensor(scalar: Float(value)))
      return add("CastLike", [constant, id])
    }
    let constant = try Tensor(zeros: elementType, shape: [])
    try withUnsafeBytes(of: value) { bytes in
      guard let source = bytes.baseAddress else { return }
      try ElementConversion.convert(
        source, .double, to: constant.baseAddress, elementType, count: 1)
    }
    return addConstant(constant)
  }
}
