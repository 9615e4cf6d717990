import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftRuntime

/// The meaning of a classifier's output.
package enum Scores: String, Sendable, CaseIterable {
  /// Softmax turns them into probabilities; for a single score of two classes, sigmoid gives the
  /// probability of the second.
  case logits
  /// Probabilities.
  case probabilities
  /// Logits of independent classes: the sigmoid of each is its probability.
  case sigmoid

  /// The metadata key.
  package static let metadataKey = "graft.scores"

  /// The kind in the metadata; `nil` if there is none.
  ///
  /// - Throws: `GraftError` for an unknown name
  package init?(metadata: [ByteString: String]) throws {
    guard let name = metadata[Scores.metadataKey] else { return nil }
    guard let scores = Scores(rawValue: name) else {
      throw GraftError.badData(
        "metadata '\(Scores.metadataKey)': unknown kind of scores '\(name)'",
        hint: "Use one of \(Scores.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self = scores
  }
}

/// The computation of a network's first output, as far as its meaning depends on it.
package enum OutputEnd: String {
  /// Each row adds up to 1.
  case distribution
  /// Independent probabilities, such as from Sigmoid.
  case probabilities
  /// An unbounded number from a linear layer.
  case linear
  /// Unknown: other operators.
  case unknown

  /// The metadata key of a loaded graph, whose lowered form does not show it. Files do not have it.
  static let metadataKey = "graft.output"

  package init(of graph: Graph) {
    let walk = Walk(graph)
    self = graph.outputs.first.map { walk.end(of: $0, depth: 0) } ?? .unknown
  }

  private final class Walk {
    private let graph: Graph
    private let producers: [ValueID: Int]
    /// Values may be reached on many paths.
    private var known: [ValueID: OutputEnd] = [:]

    init(_ graph: Graph) {
      self.graph = graph
      producers = graph.producers()
    }

    /// Operators that leave all elements in the row, besides those that only reshape.
    private static let moving: [any Operator.Type] = [
      Identity.self, Cast.self, CastLike.self, Dropout.self, Transpose.self,
    ]
    /// Operators with unbounded outputs.
    private static let linear: [any Operator.Type] = [
      Gemm.self, MatMul.self, Conv.self, BatchNormalization.self, InstanceNormalization.self,
      LayerNormalization.self, Relu.self, LeakyRelu.self, PRelu.self, Elu.self, Selu.self,
      LogSoftmax.self, Tanh.self, GlobalAveragePool.self, AveragePool.self, GlobalMaxPool.self,
      MaxPool.self, ReduceMean.self, ReduceSum.self, ReduceMax.self,
    ]
    private static let depthLimit = 100

    func end(of value: ValueID, depth: Int) -> OutputEnd {
      if let end = known[value] { return end }
      let end = findEnd(of: value, depth: depth)
      known[value] = end
      return end
    }

    private func findEnd(of value: ValueID, depth: Int) -> OutputEnd {
      guard depth < Walk.depthLimit, let producer = producers[value],
        let type = OperatorCatalog.type(of: graph.nodes[producer])
      else { return .unknown }
      if type is Softmax.Type { return .distribution }
      if type is Sigmoid.Type || type is HardSigmoid.Type { return .probabilities }
      if Walk.linear.contains(where: { $0 == type }) { return .linear }
      let inputs = graph.nodes[producer].inputs.compactMap { $0 }
      if type.onlyReshapes || Walk.moving.contains(where: { $0 == type }) {
        return inputs.first.map { end(of: $0, depth: depth + 1) } ?? .unknown
      }
      let computed = inputs.filter { graph.constants[$0] == nil }
      func ends() -> [OutputEnd] { computed.map { end(of: $0, depth: depth + 1) } }
      switch type {
      case is Mean.Type:
        return common(ends())
      case is Add.Type, is Sub.Type, is Sum.Type:
        // A bias, or the scores of several networks.
        return !computed.isEmpty && ends().allSatisfy { $0 == .linear } ? .linear : .unknown
      case is Mul.Type, is Div.Type:
        if type is Div.Type, isSoftmax(inputs, depth) { return .distribution }
        guard computed.count == 1, let factor = producers[computed[0]] else { return .unknown }
        let sum = graph.nodes[factor]
        // An explicit mean of networks with the same kind of output.
        if sum.is(Add.self) || sum.is(Sum.self) {
          let parts = sum.inputs.compactMap { $0 }.map { end(of: $0, depth: depth + 2) }
          if let first = parts.first, first == .distribution { return common(parts) }
        }
        return ends() == [.linear] ? .linear : .unknown
      default:
        return .unknown
      }
    }

    /// Exp(x) / ReduceSum(Exp(x)).
    private func isSoftmax(_ inputs: [ValueID], _ depth: Int) -> Bool {
      guard inputs.count == 2, let first = producers[inputs[0]], let second = producers[inputs[1]]
      else { return false }
      return graph.nodes[first].is(Exp.self) && graph.nodes[second].is(ReduceSum.self)
        && graph.nodes[second].inputs.first == inputs[0]
    }

    private func common(_ ends: [OutputEnd]) -> OutputEnd {
      guard let first = ends.first, ends.allSatisfy({ $0 == first }) else { return .unknown }
      return first
    }
  }
}

extension Graph {
  /// The number of scores per image in the first output; `nil` if it is unknown, or the output is
  /// not that of a classifier.
  package var scoreCount: Int? {
    guard let shape = outputs.first.flatMap({ self[$0].type?.tensor?.shape }), shape.count >= 2
    else { return nil }
    let extents = shape.dropFirst().map(\.known)
    guard !extents.contains(nil), extents.count(where: { $0 != 1 }) <= 1 else { return nil }
    return extents.compactMap { $0 }.reduce(1, *)
  }

  /// Sets the first output's shape from that of one image, if the file defines the image size but
  /// not the number of scores.
  mutating func settleScores() {
    guard scoreCount == nil, inputs.count == 1, let output = outputs.first,
      var type = self[inputs[0]].type?.tensor, let shape = type.shape, shape.count == 4,
      !shape.dropFirst().contains(where: { $0.known == nil })
    else { return }
    type.shape = [1] + shape.dropFirst()
    guard let types = try? concreteTypes(inputs: [inputs[0]: .tensor(type)]),
      var scores = types[output]?.tensor, let found = scores.shape, found.first == 1
    else { return }
    scores.shape = [.unknown] + found.dropFirst()
    let declared = self[output].type
    self[output].type = .tensor(scores)
    if scoreCount == nil { self[output].type = declared }
  }
}
