import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// x · scale + shift for each channel: a BatchNormalization with constant statistics.
struct ChannelAffine {
  let scale: [Double]
  let shift: [Double]

  /// - Returns: `nil` if the node is none of inference, or its statistics are not constant
  init?(normalization node: Node, in graph: Graph) throws {
    guard let operation = try node.operation(as: BatchNormalization.self), !operation.isTraining
    else { return nil }
    var vectors: [[Double]] = []
    for input in node.inputs.dropFirst() {
      guard let tensor = graph.constant(input), tensor.elementType.isFloatingPoint else {
        return nil
      }
      vectors.append(try tensor.doubles())
    }
    let channelCount = vectors.first?.count ?? 0
    guard vectors.count == 4, vectors.allSatisfy({ $0.count == channelCount }) else { return nil }
    let scale = (0..<channelCount).map {
      vectors[0][$0] / (vectors[3][$0] + operation.epsilon).squareRoot()
    }
    self.scale = scale
    shift = (0..<channelCount).map { vectors[1][$0] - vectors[2][$0] * scale[$0] }
  }

  /// The effect of an Add, Mul or Sub of a constant on a value of known rank.
  ///
  /// - Returns: `nil` for another node, or if the constant is not one element per channel
  init?(elementwise node: Node, in graph: Graph) throws {
    guard node.is(Add.self) || node.is(Mul.self) || node.is(Sub.self),
      let rank = graph.rank(node.outputs[0]), rank >= 2,
      let position = node.inputs.firstIndex(where: { graph.constant($0) != nil }),
      let constant = graph.constant(node.inputs[position]), constant.elementType.isFloatingPoint,
      constant.rank <= rank, graph.rank(node.inputs[1 - position]) == rank,
      !node.is(Sub.self) || position == 1
    else { return nil }
    let shape = [Int](repeating: 1, count: rank - constant.rank) + constant.shape
    // A single element would require knowing the number of channels.
    guard shape[1] > 1, constant.elementCount == shape[1] else { return nil }
    let values = try constant.doubles()
    if node.is(Mul.self) {
      (scale, shift) = (values, values.map { _ in 0 })
    } else {
      (scale, shift) = (values.map { _ in 1 }, node.is(Sub.self) ? values.map { -$0 } : values)
    }
  }
}
