import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// A device or an instruction set: passes that convert nodes to its own form, and the operators of
/// these nodes.
///
/// A target defines one for `Executable.Options.backend`. Its operators have their own domain. The
/// operators of ``OperatorCatalog`` run all other nodes.
package struct Backend: Sendable {
  /// Part of the keys of cached files.
  package let name: String
  /// Run once, after the passes that keep ONNX's operators.
  let finishingPasses: [any GraphPass.Type]
  private let operators: [ByteString: any Operator.Type]

  /// - Parameters:
  ///   - operators: operators that are not in ``OperatorCatalog``
  ///   - finishingPasses: run once, in order, after the passes that keep ONNX's operators
  package init(
    name: String, operators: [any Operator.Type] = [], finishingPasses: [any GraphPass.Type]
  ) {
    self.name = name
    self.finishingPasses = finishingPasses
    self.operators = Dictionary(
      operators.map { (Backend.key($0.schema.name, $0.schema.domain), $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The CPU, with blocked channels where that is faster.
  package static let cpu = Backend(
    name: "cpu", finishingPasses: [QuantizedLayout.self, BlockedLayout.self])

  /// The type of a node's operator; `nil` if it is unknown.
  package func type(of node: Node) -> (any Operator.Type)? {
    operators[Backend.key(node.operatorType, node.domain)] ?? OperatorCatalog.type(of: node)
  }

  /// The operator of a node, with decoded attributes.
  ///
  /// - Throws: `GraftError` if the operator is unknown, or its attributes or arity are invalid
  package func makeOperator(_ node: Node) throws -> any Operator {
    try OperatorCatalog.make(node, as: type(of: node))
  }

  private static func key(_ name: String, _ domain: String) -> ByteString {
    ByteString("\(domain).\(name)")
  }
}
