import GraftFiles
import GraftGraph
import GraftTensor

/// Nodes that several losses use.
extension Graph {
  /// A constant float scalar.
  mutating func addScalar(_ value: Float) throws -> ValueID {
    addConstant(try Tensor(scalar: value))
  }

  /// The mean over all elements: the loss.
  mutating func addMean(_ each: ValueID) -> ValueID {
    addNode("ReduceMean", [each], attributes: ["keepdims": .int(0)], outputName: "data_loss")
  }

  /// The sum over the classes: `[N, K]` to `[N]`.
  mutating func addClassSum(_ each: ValueID) throws -> ValueID {
    let axes = addConstant(try Tensor([Int64(1)], shape: [1]))
    return addNode("ReduceSum", [each, axes], attributes: ["keepdims": .int(0)])
  }

  /// The mean over the classes: `[N, K]` to `[N]`.
  mutating func addClassMean(_ each: ValueID) throws -> ValueID {
    let axes = addConstant(try Tensor([Int64(1)], shape: [1]))
    return addNode("ReduceMean", [each, axes], attributes: ["keepdims": .int(0)])
  }

  /// Converts targets of 0 and 1 to -1 and 1; keeps those of -1 and 1.
  mutating func addSigns(_ targets: ValueID) throws -> ValueID {
    let isPositive = addNode("Greater", [targets, try addScalar(0)])
    return addNode("Where", [isPositive, try addScalar(1), try addScalar(-1)])
  }
}

extension TensorType {
  /// A float for each score.
  static func floats(classCount: Int) -> TensorType {
    TensorType(.float, [.symbol("N"), .known(classCount)])
  }
}
