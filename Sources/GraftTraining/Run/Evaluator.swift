import GraftData
import GraftExecution
import GraftFiles
import GraftPasses
import GraftRuntime
import GraftTensor
import GraftVision

/// The quality of a classifier on labelled images.
package struct EvaluationResult: Sendable, Codable, Hashable {
  /// The fraction of images whose most probable class is right. Images without an answer count as
  /// wrong.
  package var accuracy: Double
  /// The mean of -log of the right class's probability, over the images with an answer.
  package var loss: Double
  package var count: Int
  /// The number of images with NaN as the model's output. Only accuracies count them.
  package var unanswered = 0
  package var classes: [String]
  /// `[true class][predicted class]`, in images.
  package var confusionMatrix: [[Int]]
  /// Means over the classes that occur.
  package var precision: Double
  package var recall: Double
  package var f1: Double
  /// The area under the ROC curve: for two classes that of the second, for more the mean over the
  /// classes; NaN if all images are of one class.
  package var auc: Double
  /// The fraction of images whose class is among the top five; `nil` for five classes or fewer.
  package var top5Accuracy: Double?
  /// Of each class.
  package var classMetrics: [ClassMetrics]
  /// The fraction of images that the model considers in distribution; `nil` if it cannot tell.
  package var inDistributionShare: Double?
  /// The most probable class of each image; not part of the JSON form.
  package var predictions: [Prediction] = []

  package struct Prediction: Sendable, Codable, Hashable {
    /// `nil` without an answer.
    package var label: Int?
    package var probability: Float
  }

  package struct ClassMetrics: Sendable, Codable, Hashable {
    package var precision: Double
    package var recall: Double
    package var f1: Double
    package var count: Int
  }

  private enum CodingKeys: String, CodingKey {
    case accuracy, loss, count, unanswered, classes
    case confusionMatrix = "confusion_matrix"
    case precision, recall, f1, auc
    case top5Accuracy = "top_5_accuracy"
    case classMetrics = "class_metrics"
    case inDistributionShare = "in_distribution_share"
  }
}

/// Runs a classifier over images.
package struct Evaluator {
  private let session: Session
  private let batches: ImageBatches
  private let classNames: [String]
  private let batchSize: Int
  private let elementType: ElementType

  /// - Parameters:
  ///   - session: of a graph that takes `[N, C, H, W]` or `[N, H, W, C]`
  ///   - classNames: names of the classes `[K]`, in the order of the graph's output
  ///   - preprocessing: makes all images equally large
  ///   - elementType: of the graph's input
  /// - Throws: `GraftError` if the images would have different sizes
  package init(
    _ session: Session, classNames: [String], items: [ImageDataset.Item],
    preprocessing: Preprocessing, elementType: ElementType = .float, batchSize: Int
  ) throws {
    self.session = session
    self.classNames = classNames
    self.batchSize = batchSize
    self.elementType = elementType
    batches = try ImageBatches(
      items, preprocessing, threadCount: session.executable.options.threadCount)
  }

  /// - Parameters:
  ///   - isInterrupted: called before each batch
  ///   - answers: converts the outputs for `imageCount` images to each image's class probabilities,
  ///     and whether it is in distribution, if the model can tell
  /// - Throws: `CancellationError` if it was interrupted
  package func evaluate(
    isInterrupted: () -> Bool = { false },
    answers: (_ outputs: [Tensor], _ imageCount: Int) throws -> (
      probabilities: [[Float]], isInDistribution: [Bool]?
    )
  ) throws -> EvaluationResult {
    let count = classNames.count
    var matrix = ConfusionMatrix(classCount: count)
    var area = AreaUnderCurve(classCount: count)
    var top5 = try TopKAccuracy(k: 5)
    var loss = 0.0
    var predictions: [EvaluationResult.Prediction] = []
    var unanswered = 0
    var acceptedCount: Int?
    let items = batches.items
    for start in stride(from: 0, to: items.count, by: batchSize) {
      if isInterrupted() { throw CancellationError() }
      let numbers = Array(start..<min(start + batchSize, items.count))
      var input = try batches.input(numbers)
      if elementType != .float { input = try input.converted(to: elementType) }
      let outputs = try session.run([input])
      guard !outputs.isEmpty else { throw GraftError.badData("the model has no outputs") }
      let (rows, isInDistribution) = try answers(outputs, numbers.count)
      if let isInDistribution {
        acceptedCount = (acceptedCount ?? 0) + isInDistribution.count { $0 }
      }
      for row in rows where row.count != count {
        throw GraftError.badData("the model has \(row.count) classes, the data have \(count)")
      }
      let answered = zip(numbers, rows).filter { $1.allSatisfy(\.isFinite) }
      if !answered.isEmpty {
        let scores = try LabelledScores(
          scores: Tensor(answered.flatMap { $1 }, shape: [answered.count, count]),
          labels: answered.map { items[$0.0].label }, kind: .probabilities)
        try matrix.add(scores)
        try area.add(scores)
        top5.add(scores)
      }
      for (number, row) in zip(numbers, rows) {
        guard row.allSatisfy(\.isFinite) else {
          unanswered += 1
          predictions.append(EvaluationResult.Prediction(label: nil, probability: .nan))
          continue
        }
        let label = items[number].label
        let predicted = row.indices.max { row[$0] < row[$1] || row[$0] == row[$1] && $0 > $1 } ?? 0
        predictions.append(
          EvaluationResult.Prediction(label: predicted, probability: row[predicted]))
        loss -= log(max(Double(row[label]), 1e-12))
      }
    }
    let answeredShare = Double(items.count - unanswered) / Double(max(1, items.count))
    return EvaluationResult(
      accuracy: matrix.accuracy * answeredShare, loss: loss / Double(items.count - unanswered),
      count: items.count, unanswered: unanswered, classes: classNames,
      confusionMatrix: matrix.counts, precision: matrix.macroPrecision, recall: matrix.macroRecall,
      f1: matrix.macroF1, auc: area.mean ?? .nan,
      top5Accuracy: count > 5 ? top5.value * answeredShare : nil,
      classMetrics: classNames.indices.map { number in
        EvaluationResult.ClassMetrics(
          precision: matrix.precision(ofClass: number), recall: matrix.recall(ofClass: number),
          f1: matrix.f1(ofClass: number), count: matrix.counts[number].reduce(0, +))
      }, inDistributionShare: acceptedCount.map { Double($0) / Double(items.count) },
      predictions: predictions)
  }
}
