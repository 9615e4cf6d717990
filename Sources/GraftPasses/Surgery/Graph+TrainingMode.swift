import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension Graph {
  /// The nodes that were exported in training mode, whose results depend on other images in the
  /// batch (BatchNormalization) or on chance (Dropout).
  package var trainingModeNodes: [Node] { nodes.filter(isInTrainingMode) }

  /// Switches nodes from training to inference mode: BatchNormalization uses its running
  /// statistics, and Dropout passes its input through.
  ///
  /// - Returns: the number of changed nodes
  package mutating func leaveTrainingMode() -> Int {
    var replaced: [ValueID: ValueID] = [:]
    var count = 0
    for index in nodes.indices where isInTrainingMode(nodes[index]) {
      count += 1
      guard nodes[index].is(BatchNormalization.self) else {
        nodes[index].inputs.removeLast(nodes[index].inputs.count - 2)
        continue
      }
      nodes[index].remove(.trainingMode)
      // The running statistics do not change any more.
      for (output, input) in zip(nodes[index].outputs.dropFirst(), nodes[index].inputs.dropFirst(3))
      {
        if let output, let input { replaced[output] = input }
      }
      nodes[index].outputs = Array(nodes[index].outputs.prefix(1))
    }
    guard !replaced.isEmpty else { return count }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { $0.map { replaced[$0] ?? $0 } }
    }
    outputs = outputs.map { replaced[$0] ?? $0 }
    return count
  }

  private func isInTrainingMode(_ node: Node) -> Bool {
    if node.is(Dropout.self) {
      guard node.inputs.count > 2, let mode = node.inputs[2] else { return false }
      // An unknown value could be true.
      return (try? constants[mode]?.integers().first) ?? 1 != 0
    }
    return (try? node.operation(as: BatchNormalization.self))?.isTraining ?? false
  }
}
