import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// How a model recognizes images unlike its training images: one of its outputs is a score for each
/// image, and an image with a score below a threshold shows none of the classes.
///
/// Source: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
/// Examples in Neural Networks", 2017
package struct InDistributionRule: Sendable, Equatable {
  /// The metadata key of the output's name.
  package static let outputKey = "graft.in_distribution.output"
  /// The metadata key of the threshold, a decimal number.
  package static let thresholdKey = "graft.in_distribution.threshold"

  /// The index of the graph's output with the scores.
  package let outputIndex: Int
  package let threshold: Float

  /// The rule in the metadata; `nil` if there is none.
  ///
  /// - Throws: `GraftError` if the graph does not have the output, or the threshold is not a finite
  ///   number
  package init?(_ graph: Graph) throws {
    let name = graph.metadata[ByteString(InDistributionRule.outputKey)]
    let text = graph.metadata[ByteString(InDistributionRule.thresholdKey)]
    if name == nil, text == nil { return nil }
    guard let name,
      let index = graph.outputs.firstIndex(where: { ByteString(graph[$0].name) == ByteString(name) }
      )
    else {
      throw GraftError.badData(
        "metadata '\(InDistributionRule.outputKey)': "
          + (name.map { "the model has no output '\($0)'" } ?? "it is missing"),
        hint: InDistributionRule.hint)
    }
    guard let text, let threshold = Float(text), threshold.isFinite else {
      throw GraftError.badData(
        "metadata '\(InDistributionRule.thresholdKey)': "
          + (text.map { "invalid value '\($0)'" } ?? "it is missing"),
        hint: "Use a finite number. " + InDistributionRule.hint)
    }
    outputIndex = index
    self.threshold = threshold
  }

  private static let hint = "Without both keys, the model answers for every image"

  /// The score of each image of a run.
  ///
  /// - Parameter outputs: of the graph; the one with the scores is `[N]`, possibly with further
  ///   axes of extent 1
  /// - Throws: `GraftError` if that is not one floating-point number for each of `imageCount`
  ///   images
  package func scores(of outputs: [Tensor], imageCount: Int) throws -> [Float] {
    let output = outputs[outputIndex]
    guard output.elementType.isFloatingPoint, output.elementCount == imageCount else {
      throw GraftError.badData(
        "metadata '\(InDistributionRule.outputKey)': the output is \(output.elementType)"
          + "\(output.shape), not one score for each of \(imageCount) images",
        hint: InDistributionRule.hint)
    }
    return try output.floats()
  }

  /// Whether an image with this score shows one of the classes.
  ///
  /// - Throws: `GraftError` if the score is not a finite number
  package func accepts(_ score: Float) throws -> Bool {
    guard score.isFinite else {
      throw GraftError.badData(
        "the model's in-distribution score is not a finite number "
          + "(\(score.isNaN ? "nan" : "\(score)")), so that the model cannot tell "
          + "whether the image shows one of its classes",
        hint: "Its weights may be damaged, or it may need another --preprocess")
    }
    return score >= threshold
  }
}
