import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
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

  /// Output 0 of an operator, computed with one instruction set.
  static func run(
    _ name: String, _ inputs: [Tensor?], attributes: [ByteString: Attribute] = [:],
    _ instructionSet: InstructionSet, threads: Int = 1
  ) throws -> Tensor {
    let node = Node(
      operatorType: name, inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
      wantedOutputs: [true], instructionSet: instructionSet, threads: threads)
    return try #require(try outputs[0]?.tensor)
  }

  /// The instruction sets that this machine can run.
  static var instructionSets: [InstructionSet] {
    InstructionSet.available
  }

  /// Seeded numbers between -1 and 1.
  static func numbers(_ shape: Shape, seed: Int) throws -> Tensor {
    var generator = Generator(seed: UInt64(truncatingIfNeeded: seed))
    return try Tensor(generator.floats(shape.elementCount), shape: shape)
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
