import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator that maps each element of its one input to an output element of the same type.
protocol ElementwiseUnary: Operator {
  static var elementTypes: Set<ElementType> { get }
  /// The C function for floats, if any.
  var floatFunction: FloatFunction? { get }
}

/// A function of ``graft_unary_table`` with its parameters.
struct FloatFunction: Sendable {
  let select: @Sendable (graft_unary_table) -> graft_unary_function?
  let alpha: Float
  let beta: Float

  init(
    _ select: @escaping @Sendable (graft_unary_table) -> graft_unary_function?,
    _ alpha: Float = 0, _ beta: Float = 0
  ) {
    self.select = select
    self.alpha = alpha
    self.beta = beta
  }
}

extension ElementwiseUnary {
  package static var operandCount: Int { 1 }
  package static var widening: Widening { .rounds }
  static var elementTypes: Set<ElementType> { .floatingPoint }

  var floatFunction: FloatFunction? { nil }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.dropConsumedInputs()
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, Self.elementTypes)
    try context.setOutputLikeInput()
  }
}

extension Node {
  /// Removes a memory hint that operators had up to opset 5.
  mutating func dropConsumedInputs() { attributes["consumed_inputs"] = nil }
}
