import GraftRuntime

/// A penalty on the size of weights, added to the loss: l1 · Σ|w| + l2 · Σw².
///
/// Source: <https://keras.io/api/layers/regularizers/>
package struct WeightPenalty: Sendable, Hashable {
  package var l1: Float
  package var l2: Float

  package init(l1: Float = 0, l2: Float = 0) {
    self.l1 = l1
    self.l2 = l2
  }

  /// Marks a node whose second input has a penalty, which is the text.
  package static let mark = "graft.penalty"

  var text: String { "l1=\(l1),l2=\(l2)" }

  /// - Throws: `GraftError` if it is not of the form of ``text``.
  init(text: String) throws {
    do {
      var call = try NamedCall("penalty(\(text))")
      let range = 0...Double(Float.greatestFiniteMagnitude)
      self.init(
        l1: Float(try call.take("l1", default: 0, in: range)),
        l2: Float(try call.take("l2", default: 0, in: range)))
      try call.requireNoMore(known: ["l1=", "l2="])
    } catch let error as GraftError {
      throw GraftError.badData(
        "the metadata '\(WeightPenalty.mark)' states no penalty: \(error.message)")
    }
  }

  /// The loss with the penalty on one parameter in it.
  func append(to graph: inout Graph, parameter: ValueID, loss: ValueID) throws -> ValueID {
    var terms = [loss]
    for (factor, reduction) in [(l1, "ReduceL1"), (l2, "ReduceSumSquare")] where factor != 0 {
      let sum = graph.addNode(reduction, [parameter], attributes: ["keepdims": .int(0)])
      terms.append(graph.addNode("Mul", [sum, graph.addConstant(try Tensor(scalar: factor))]))
    }
    return terms.count == 1 ? loss : graph.addNode("Sum", terms, outputName: "loss")
  }
}
