import GraftRuntime

/// Cross-entropy of the softmax of logits `[N, K]` with classes `[N]`: -log softmax(logits)[class].
///
/// Source: <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>
package struct SoftmaxCrossEntropy: Loss {
  package static let name = "softmax_cross_entropy"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { TensorType(.int64, [.symbol("N")]) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    graph.addNode(
      "SoftmaxCrossEntropyLoss", [scores, targets], attributes: ["reduction": .string("mean")],
      outputName: "data_loss")
  }
}
