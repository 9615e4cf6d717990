import GraftFiles
import GraftGraph
import GraftTensor

extension Recipe {
  /// The loss of training, and that of evaluation, which is the same without class weights.
  ///
  /// - Parameter labels: of the training images
  /// - Throws: `GraftError` if the loss is unknown, or does not match the classes or their weights
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
    try using("loss") {
      guard !isBinary || targetType.elementType != .int64 && !(loss is CategoricalCrossEntropy)
      else {
        throw GraftError.usage(
          "the loss '\(type(of: loss).name)' is for three or more classes; there are two",
          hint: "Use \(BinaryCrossEntropy.name)")
      }
    }
    guard let classWeights else { return (loss, loss) }
    let weighted = try using("class_weights", "loss") {
      try Recipe.weighted(loss, by: classWeights, classNames: classNames, labels: labels)
    }
    return (weighted, loss)
  }

  private static func weighted(
    _ loss: any Loss, by weights: String, classNames: [String], labels: [Int]
  ) throws -> any Loss {
    guard var weighted = loss as? any WeightedLoss else {
      let names = [SoftmaxCrossEntropy.name, CategoricalCrossEntropy.name, BinaryCrossEntropy.name]
      throw GraftError.usage(
        "the loss '\(type(of: loss).name)' does not support class weights",
        hint: "Use one of \(names.joined(separator: ", "))")
    }
    weighted.classWeights = try ClassWeights(weights, classNames: classNames, labels: labels)
    // Creating the nodes finds incompatible settings.
    var graph = Graph(name: "loss")
    let scoreCount = classNames.count == 2 ? 1 : classNames.count
    let scores = graph.addInput(
      name: "scores", type: TensorType(.float, [.symbol("N"), .known(scoreCount)]))
    let targets = graph.addInput(
      name: "targets", type: weighted.targetType(classCount: scoreCount))
    _ = try weighted.append(to: &graph, scores: scores, targets: targets)
    return weighted
  }
}
