import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// What computes graphs: passes that put nodes in a form of its own into them, and the operators of
/// these nodes.
///
/// A device or an instruction set is a target with one such value, for
/// `Executable.Options.backend`. Its operators have a domain of their own; where its passes leave
/// nodes as they are, the operators of ``OperatorCatalog`` run.
package struct Backend: Sendable {
  /// Part of the keys of what is kept on disk.
  package let name: String
  /// Run once, after the passes that stay with ONNX's operators.
  let finishingPasses: [any GraphPass.Type]
  private let operators: [ByteString: any Operator.Type]

  /// - Parameters:
  ///   - operators: those that ``OperatorCatalog`` does not have
  ///   - finishingPasses: run once, in order, after the passes that stay with ONNX's operators
  package init(
    name: String, operators: [any Operator.Type] = [], finishingPasses: [any GraphPass.Type]
  ) {
    self.name = name
    self.finishingPasses = finishingPasses
    self.operators = Dictionary(
      operators.map { (Backend.key($0.schema.name, $0.schema.domain), $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The processor, with channels in blocks where that is faster.
  package static let cpu = Backend(name: "cpu", finishingPasses: [BlockedLayout.self])

  /// The type of a node's operator; `nil` if neither this back end nor Graft has it.
  package func type(of node: Node) -> (any Operator.Type)? {
    operators[Backend.key(node.operatorType, node.domain)] ?? OperatorCatalog.type(of: node)
  }

  /// The operator of a node, its attributes decoded.
  ///
  /// - Throws: `GraftError` if the operator is not known, or its attributes or arity are wrong.
  package func makeOperator(_ node: Node) throws -> any Operator {
    try OperatorCatalog.make(node, as: type(of: node))
  }

  private static func key(_ name: String, _ domain: String) -> ByteString {
    ByteString("\(domain).\(name)")
  }
}
