import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A graph in training form: Dropout is active, and BatchNormalization uses the batch's statistics,
/// in the trained part.
package struct TrainingForm: Sendable {
  /// Marks a node that always belongs to what is trained, even if nothing below it is.
  package static let headMark = "graft.head"

  package private(set) var graph: Graph
  /// The original graph with the parameters of ``graph``, which include running statistics.
  package private(set) var inferenceForm: Graph
  /// The number of the step, an int64 scalar; the last input.
  package let step: ValueID
  /// The parameters that gradients change, without running statistics.
  package let trained: [ValueID]

  /// - Parameters:
  ///   - graph: in inference form, with the parameters to train
  ///   - seed: of Dropout's random numbers
  package init(_ graph: Graph, seed: Int) throws {
    var training = graph
    trained = graph.parameters.keys.sorted()
    step = training.addInput(name: "step", type: TensorType(.int64, []))
    var dependent = Set(graph.parameters.keys)
    for index in training.nodes.indices {
      let node = training.nodes[index]
      let isTrained = node.reads.contains(where: dependent.contains)
      if isTrained { dependent.formUnion(node.outputs.compactMap { $0 }) }
      guard isTrained || node.metadata[TrainingForm.headMark] != nil else { continue }
      if node.is(Dropout.self) {
        try training.makeDropoutDrop(at: index, step: step, seed: seed)
      } else if node.is(BatchNormalization.self) {
        try training.makeNormalizationTrain(at: index)
      }
    }
    inferenceForm = graph
    for (id, tensor) in training.parameters where graph.parameters[id] == nil {
      inferenceForm.constants[id] = nil
      inferenceForm.parameters[id] = tensor
    }
    self.graph = training
  }
}

extension Graph {
  fileprivate mutating func makeDropoutDrop(at index: Int, step: ValueID, seed: Int) throws {
    let node = nodes[index]
    guard let data = node.inputs.first ?? nil else { return }
    let ratio =
      if node.inputs.count > 1, let ratio = node.inputs[1] {
        ratio
      } else {
        addConstant(try Tensor(scalar: Float(0.5)))
      }
    nodes[index] = Node(
      name: node.name, operatorType: "TrainingDropout", domain: "graft",
      inputs: [data, ratio, step], outputs: [node.outputs.first ?? nil],
      attributes: ["seed": .int(seed), "stream": .int(index)], metadata: node.metadata)
  }

  /// Only where its own scale is trained: frozen normalization keeps its statistics.
  fileprivate mutating func makeNormalizationTrain(at index: Int) throws {
    let node = nodes[index]
    guard node.inputs.count == 5, let scale = node.inputs[1], parameters[scale] != nil,
      let mean = node.inputs[3], let variance = node.inputs[4]
    else { return }
    nodes[index].set(.trainingMode, true)
    nodes[index].outputs = [node.outputs.first ?? nil]
    for statistic in [mean, variance] {
      guard let tensor = constants.removeValue(forKey: statistic) else {
        throw GraftError(
          .unavailable, "the running statistics of this normalization are shared or computed",
          places: [label(node)], hint: "Do not train its scale (see --unfreeze)")
      }
      parameters[statistic] = tensor
      let newValue = addValue(name: "\(self[statistic].name)/new")
      nodes[index].outputs.append(newValue)
      updates.append(ParameterUpdate(parameter: statistic, newValue: newValue))
    }
  }
}

extension Node {
  /// Removes the marks of the trained part.
  package mutating func removeTrainingMarks() {
    metadata[TrainingForm.headMark] = nil
    metadata[WeightPenalty.mark] = nil
    FeatureNormalization.removeMark(&self)
  }
}
