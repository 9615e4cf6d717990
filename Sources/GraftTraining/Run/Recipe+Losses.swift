import GraftFiles
import GraftGraph

extension Recipe {
  /// What training makes small, and what evaluation reports: the same without class weights.
  ///
  /// - Parameter labels: of the images to train on
  /// - Throws: `GraftError` if the loss is unknown, or does not go with the classes or their weights.
  func losses(
    classNames: [String], labels: [Int]
  ) throws -> (training: any Loss, evaluation: any Loss) {
    let isBinary = classNames.count == 2
    let loss: any Loss =
      if let loss {
        try Losses.named(loss)
      } else if isBinary {
        BinaryCrossEntropy()
      } else {
        SoftmaxCrossEntropy()
      }
    let targetType = loss.targetType(classCount: 1)
    guard !isBinary || targetType.elementType != .int64 && !(loss is CategoricalCrossEntropy) else {
      throw GraftError.usage(
        "the loss '\(type(of: loss).name)' wants a score for each class, and two classes have one score",
        hint: "Use \(BinaryCrossEntropy.name)")
    }
    guard let classWeights else { return (loss, loss) }
    guard var weighted = loss as? any WeightedLoss else {
      let names = [SoftmaxCrossEntropy.name, CategoricalCrossEntropy.name, BinaryCrossEntropy.name]
      throw GraftError.usage(
        "class_weights do not go with the loss '\(type(of: loss).name)'",
        hint: "They go with \(names.joined(separator: ", "))")
    }
    weighted.classWeights = try ClassWeights(classWeights, classNames: classNames, labels: labels)
    // What does not go together shows when the nodes are made.
    var graph = Graph(name: "loss")
    let scoreCount = isBinary ? 1 : classNames.count
    let scores = graph.addInput(
      name: "scores", type: TensorType(.float, [.symbol("N"), .known(scoreCount)]))
    let targets = graph.addInput(
      name: "targets", type: weighted.targetType(classCount: scoreCount))
    _ = try weighted.append(to: &graph, scores: scores, targets: targets)
    return (weighted, loss)
  }
}
