import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator without attributes that combines elements of inputs broadcast to one shape.
protocol BinaryOperator: Operator {
  /// Whether the inputs may be swapped.
  static var isCommutative: Bool { get }
  init()
}

extension BinaryOperator {
  package static var operandCount: Int { schema.inputs.upperBound }
  package static var widening: Widening { .rounds }
  static var isCommutative: Bool { false }

  package init(_ attributes: AttributeReader) throws { self.init() }

  /// Of a single input nothing is combined.
  package func isIdentity(_ context: InferenceContext) -> Bool { context.inputCount == 1 }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 7 { try node.upgradeBroadcast(in: &context) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if schema.inputs.upperBound > 2 {
      try node.requireEqualShapes(in: context)
    } else if opset < 7 {
      try node.downgradeBroadcast(isCommutative: isCommutative, in: &context)
    }
  }
}

extension Node {
  /// Replaces broadcasting as before opset 7: `axis` is the axis of input 0 for the first axis of
  /// input 1; without it, the last axes match as they do today.
  ///
  /// Source: <https://onnx.ai/onnx/operators/onnx__Add.html#add-6>
  mutating func upgradeBroadcast(in context: inout UpgradeContext) throws {
    let reader = AttributeReader(attributes)
    let broadcasts = try reader.flag("broadcast")
    let axis = try reader.int("axis")
    for name in ["broadcast", "axis", "consumed_inputs"] { attributes[name] = nil }
    guard broadcasts, let axis, inputs.count == 2 else { return }
    let leftRank = try context.rank(inputs[0], of: "input 0")
    let rightRank = try context.rank(inputs[1], of: "input 1")
    guard rightRank > 0 else { return }
    let start = try normalizedAxis(axis, rank: leftRank)
    guard rightRank <= leftRank - start else {
      throw GraftError.badData(
        "input 1 of rank \(rightRank) does not fit into rank \(leftRank) from axis \(axis)")
    }
    let missing = leftRank - start - rightRank
    guard missing > 0 else { return }
    let axes = try context.addIntegers(Array(rightRank..<rightRank + missing))
    inputs[1] = context.addBefore("Unsqueeze", [inputs[1], axes])
  }
}
