/// An operator that maps each element of its one input to one of its output, of the same type.
protocol ElementwiseUnary: Operator {
  static var elementTypes: Set<ElementType> { get }
}

extension ElementwiseUnary {
  static var elementTypes: Set<ElementType> { .floatingPoint }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.dropConsumedInputs()
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, Self.elementTypes)
    try context.setOutputLikeInput()
  }
}

extension Node {
  /// Drops a hint about memory that operators had up to opset 5.
  mutating func dropConsumedInputs() { attributes["consumed_inputs"] = nil }
}
