import GraftOperators
import Testing

/// What tests of single nodes share.
enum NodeTesting {
  /// The first output of a node.
  static func apply(_ node: Node, _ inputs: [Tensor?]) throws -> Tensor {
    let output = try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
      wantedOutputs: node.outputs.map { $0 != nil })[0]
    return try #require(try output?.tensor)
  }

  /// Upgrades a node; what it adds is in the context returned.
  @discardableResult
  static func upgrade(
    _ node: inout Node, in graph: Graph = Graph(), opset: Int
  ) throws -> UpgradeContext {
    var context = UpgradeContext(graph: graph, opset: opset)
    let type = try #require(OperatorCatalog.type(of: node))
    let version = try #require(type.schema.since.last { $0 <= opset })
    try type.upgrade(&node, from: version, in: &context)
    return context
  }
}

extension Tensor {
  func converted(to type: ElementType) throws -> Tensor {
    let result = try Tensor(zeros: type, shape: shape)
    try ElementConversion.convert(
      baseAddress, elementType, to: result.baseAddress, type, count: elementCount)
    return result
  }
}
