import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A penalty on the size of weights, added to the loss: l1 · Σ|w| + l2 · Σw².
///
/// Source: <https://keras.io/api/layers/regularizers/>
package struct WeightPenalty: Sendable, Hashable {
  package var l1: Float
  package var l2: Float
  /// Whether `l2` depends on the data, see ``resolved(inputCount:imageCount:)``.
  package var isAutomatic = false

  package init(l1: Float = 0, l2: Float = 0, isAutomatic: Bool = false) {
    self.l1 = l1
    self.l2 = l2
    self.isAutomatic = isAutomatic
  }

  /// The value of `l2=auto`: a normal prior of the weights that gives scores of normalized features
  /// the variance 2. It decreases with more images and increases with more features.
  ///
  /// Source: the penalty as a prior: Bishop, "Pattern Recognition and Machine Learning" (2006), 4.5
  func resolved(inputCount: Int, imageCount: Int) -> WeightPenalty {
    guard isAutomatic else { return self }
    let scoreVariance: Float = 2
    return WeightPenalty(
      l1: l1, l2: Float(inputCount) / (2 * scoreVariance * Float(max(1, imageCount))))
  }

  /// Marks a node whose second input has a penalty, in the form of ``text``.
  package static let mark = "graft.penalty"

  var text: String { "l1=\(l1),l2=\(isAutomatic ? WeightPenalty.automatic : "\(l2)")" }

  private static let automatic = "auto"

  /// Removes `l1` and `l2` from a call's arguments.
  ///
  /// - Throws: `GraftError` if one is neither a number nor, for `l2`, `auto`
  init(takingFrom call: inout NamedCall) throws {
    let range: ClosedRange<Float> = 0...1e30
    l1 = try call.take("l1", default: 0, in: range)
    isAutomatic = call.takeFlag(WeightPenalty.automatic, of: "l2")
    l2 = isAutomatic ? 0 : try call.take("l2", default: 0, in: range, or: WeightPenalty.automatic)
  }

  /// - Throws: `GraftError` if it does not have the form of ``text``
  init(text: String) throws {
    do {
      var call = try NamedCall("penalty(\(text))")
      try self.init(takingFrom: &call)
      try call.requireNoMore(usage: "l1=…,l2=…")
    } catch let error as GraftError {
      throw GraftError.badData(
        "invalid metadata '\(WeightPenalty.mark)': \(error.message)", hint: error.hint)
    }
  }

  /// The loss plus the penalty on one parameter.
  func append(to graph: inout Graph, parameter: ValueID, loss: ValueID) throws -> ValueID {
    var terms = [loss]
    for (factor, reduction) in [(l1, ReduceL1.schema), (l2, ReduceSumSquare.schema)]
    where factor != 0 {
      let sum = graph.addNode(reduction.name, [parameter], attributes: ["keepdims": .int(0)])
      terms.append(graph.addNode("Mul", [sum, graph.addConstant(try Tensor(scalar: factor))]))
    }
    return terms.count == 1 ? loss : graph.addNode("Sum", terms, outputName: "loss")
  }
}
