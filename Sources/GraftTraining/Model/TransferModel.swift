import GraftData
import GraftRuntime

/// A trunk with a head on it, in inference form: `[N, C, H, W]` to logits `[N, K]`.
///
/// All weights are constants; ``graph(training:)`` makes some of them parameters.
package struct TransferModel: Sendable {
  package internal(set) var graph: Graph
  package let classNames: [String]
  /// Whether there is one score, of which the sigmoid is the probability of the second class.
  package let isBinary: Bool
  package let penalties: [ValueID: WeightPenalty]
  /// Names of the head's weights.
  package let headWeights: [ValueID]
  /// Whether the head begins with pooling, for which the trunk leaves nothing.
  package let leavesPoolingOut: Bool

  /// How large the network's pictures are.
  package struct PictureExtents: Sendable, Hashable {
    package var channels: Int
    package var height: Int
    package var width: Int

    package init(channels: Int, height: Int, width: Int) {
      self.channels = channels
      self.height = height
      self.width = width
    }
  }

  package let picture: PictureExtents

  /// - Parameters:
  ///   - trunk: takes pictures `[N, C, H, W]`, a fixed batch is made free; its first output are the features
  ///   - seed: of the head's first weights
  /// - Throws: `GraftError` if the trunk takes no such pictures, or the head does not fit.
  package init(
    trunk: Graph, picture: PictureExtents, head: HeadSpecification, classNames: [String],
    seed: UInt64
  ) throws {
    var graph = try trunk.withFloatElements().withSeparateWeights().withFreeBatch()
    guard graph.inputs.count == 1, let shape = graph[graph.inputs[0]].type?.tensor?.shape,
      shape.count == 4
    else {
      throw GraftError.unsupported("the trunk takes no single picture [N, C, H, W]")
    }
    if let channels = shape[1].known, channels != picture.channels {
      throw GraftError.usage(
        "the network takes pictures of \(channels) channels, not \(picture.channels)")
    }
    let extents = [picture.channels, picture.height, picture.width]
    graph[graph.inputs[0]].type = .tensor(
      TensorType(.float, [.symbol("N")] + extents.map(Dimension.known)))
    for index in graph.values.indices where !graph.isGiven(ValueID(index)) {
      graph.values[index].type = nil
    }
    do {
      try graph.inferTypes()
    } catch let error as GraftError {
      let declared = Array(shape.dropFirst())
      guard declared != extents.map(Dimension.known) else { throw error }
      throw GraftError.usage(
        "the network takes pictures of shape \(declared.map(\.description)), not \(extents): \(error.message)",
        hint: "Leave --image-size out, or cut the network further in front with --cut")
    }
    guard let features = graph.outputs.first else {
      throw GraftError.badData("the trunk has no outputs")
    }
    isBinary = classNames.count == 2
    var generator = SeededGenerator(seed: seed)
    let built = try head.append(
      to: &graph, features: features, scoreCount: classNames.count == 2 ? 1 : classNames.count,
      using: &generator)
    graph.outputs = [built.scores]
    graph.defaultedInputs = []
    self.graph = graph
    self.classNames = classNames
    self.picture = picture
    penalties = built.penalties
    headWeights = built.weights
    leavesPoolingOut = built.leavesPoolingOut
  }

  /// The constants that training can change, in the order in which nodes read them.
  package var weights: [ValueID] {
    var found: [ValueID] = []
    var seen: Set<ValueID> = []
    var biases: [ValueID: [Int]] = [:]
    for node in graph.nodes {
      if let output = node.outputs.first ?? nil {
        biases[output] = biasShape(of: node)
      }
      var positions = TransferModel.weightInputs(of: node)
      if node.qualifiedType == "Add" {
        // A bias that is a node of its own. Masks and single numbers are no weights.
        let shapes = node.inputs.compactMap { $0.flatMap { biases[$0] } }
        positions = node.inputs.indices.filter { position in
          guard let shape = graph.constant(node.inputs[position])?.shape else { return false }
          return shapes.contains {
            $0 == [Int](repeating: 1, count: max(0, $0.count - shape.count)) + shape
          }
        }
      }
      for position in positions where position < node.inputs.count {
        guard let id = node.inputs[position], let tensor = graph.constants[id],
          tensor.elementType == .float, seen.insert(id).inserted
        else { continue }
        found.append(id)
      }
    }
    return found
  }

  /// What is added to a node's result as its bias, `[1, C, 1, 1]` or `[1, K]`; `nil` unless the node is a product with
  /// weights.
  private func biasShape(of node: Node) -> [Int]? {
    guard let output = node.outputs.first ?? nil,
      let result = graph[output].type?.tensor?.shape, !result.isEmpty,
      node.inputs.prefix(2).contains(where: { graph.constant($0) != nil })
    else { return nil }
    let axis: Int
    switch node.qualifiedType {
    case "Conv", "ConvTranspose": axis = 1
    case "Gemm", "MatMul": axis = result.count - 1
    default: return nil
    }
    guard axis < result.count, let channels = result[axis].known else { return nil }
    var shape = [Int](repeating: 1, count: result.count)
    shape[axis] = channels
    return shape
  }

  /// Inputs of a node that hold weights.
  private static func weightInputs(of node: Node) -> [Int] {
    switch node.qualifiedType {
    case "Conv", "ConvTranspose", "Gemm", "BatchNormalization", "LayerNormalization",
      "InstanceNormalization", "GroupNormalization":
      [1, 2]
    case "MatMul": [0, 1]
    case "PRelu": [1]
    case "LSTM", "GRU", "RNN": [1, 2, 3]
    default: []
    }
  }

  /// What training some weights changes: these, and the running statistics of normalizations whose scale is among
  /// them.
  func changing(training weights: Set<ValueID>) -> Set<ValueID> {
    var changed = weights
    for node in graph.nodes where node.qualifiedType == "BatchNormalization" {
      guard node.inputs.count == 5, let scale = node.inputs[1], weights.contains(scale) else {
        continue
      }
      changed.formUnion(node.inputs[3...].compactMap { $0 })
    }
    return changed
  }

  /// The graph with some weights as parameters.
  package func graph(training weights: Set<ValueID>) -> Graph {
    var graph = graph
    for id in weights { graph.parameters[id] = graph.constants.removeValue(forKey: id) }
    return graph
  }

  /// Takes over what training made of weights.
  package mutating func take(_ values: [ValueID: Tensor]) { graph = graph.replacing(values) }
}

extension Graph {
  fileprivate func isGiven(_ id: ValueID) -> Bool {
    inputs.contains(id) || constants[id] != nil || parameters[id] != nil
  }
}
