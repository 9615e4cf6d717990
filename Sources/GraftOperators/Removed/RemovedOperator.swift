import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator that was experimental in ONNX's early versions; files of 2017 and 2018 have it.
///
/// ONNX 1.5 removed them. They are imported as nodes of other operators.
protocol RemovedOperator: ExpandedOperator {}

extension OperatorCatalog {
  /// The operator of a node in a model file: those that ONNX removed stand in its own domain there.
  package static func type(inFile node: Node) -> (any Operator.Type)? {
    if let type = type(of: node) { return type }
    guard node.domain.isEmpty else { return nil }
    return type(node.operatorType, domain: OperatorDomain.removed)
  }
}

extension NodeBuilder {
  /// A constant of the element type of a value.
  mutating func constant(_ numbers: [Float], _ shape: Shape, like value: ValueID?) throws -> ValueID
  {
    let constant = addConstant(try Tensor(numbers, shape: shape))
    if type(value)?.elementType == .float { return constant }
    return try add("CastLike", [constant, value])
  }

  /// The value times a number; the value itself if that is 1.
  mutating func scaled(_ value: ValueID?, by factor: Float) throws -> ValueID? {
    if factor == 1 { return value }
    return try add("Mul", [value, constant([factor], [], like: value)])
  }
}

extension Node {
  /// Makes the node one of another operator, without attributes.
  mutating func become(_ schema: OperatorSchema, _ inputs: [ValueID?]) {
    become(schema)
    self.inputs = inputs
    attributes = [:]
  }
}
