import GraftFiles
import GraftTensor
import GraftTraining
import Testing

/// Metrics against what Keras measured; areas against all pairs of samples.
@Suite struct MetricTests {
  /// The samples in batches of 7.
  static func batches(
    _ scores: String = "logits", _ labels: String = "labels",
    kind: LabelledScores.Kind = .logits
  ) throws -> [LabelledScores] {
    let labels = try Fixtures.metrics.tensor(labels).integers()
    let values = try Fixtures.metrics.numbers(scores).map { Float($0) }
    let width = values.count / labels.count
    return try stride(from: 0, to: labels.count, by: 7).map { start in
      let end = min(start + 7, labels.count)
      return try LabelledScores(
        scores: try Tensor(
          Array(values[(start * width)..<(end * width)]), shape: [end - start, width]),
        labels: Array(labels[start..<end]), kind: kind)
    }
  }

  static func measure(_ name: String, classCount: Int, _ batches: [LabelledScores]) throws -> Double
  {
    var metric = try Metrics.named(name, classCount: classCount)
    #expect(metric.name == name)
    #expect(metric.value == 0)
    for batch in batches { try metric.add(batch) }
    return metric.value
  }

  @Test(arguments: [
    ("accuracy", "accuracy"), ("top_2_accuracy", "top_2"), ("top_3_accuracy", "top_3"),
    ("f1", "f1_macro"), ("auc", "area_macro"),
  ])
  func measuresAreThoseOfKeras(_ name: String, _ stored: String) throws {
    let value = try Self.measure(name, classCount: 5, Self.batches())
    let expected = try Fixtures.metrics.numbers(stored)
    #expect(largestDifference([value], expected) < 1e-6)
  }

  @Test func classesAreMeasuredAsKerasDoes() throws {
    var matrix = ConfusionMatrix(classCount: 5)
    for batch in try Self.batches() { try matrix.add(batch) }
    let counts = matrix.counts.flatMap { $0 }
    #expect(try counts == Fixtures.metrics.tensor("confusion").integers())
    #expect(matrix.sampleCount == 40)
    let precision = try Fixtures.metrics.numbers("precision")
    let recall = try Fixtures.metrics.numbers("recall")
    let f1 = try Fixtures.metrics.numbers("f1")
    #expect(largestDifference((0..<5).map(matrix.precision), precision) < 1e-6)
    #expect(largestDifference((0..<5).map(matrix.recall), recall) < 1e-6)
    #expect(largestDifference((0..<5).map(matrix.f1), f1) < 1e-6)
    #expect(largestDifference([matrix.macroPrecision], [precision.reduce(0, +) / 5]) < 1e-6)
    #expect(largestDifference([matrix.macroRecall], [recall.reduce(0, +) / 5]) < 1e-6)
    let accuracy = try Fixtures.metrics.numbers("accuracy")
    #expect(largestDifference([matrix.accuracy], accuracy) < 1e-6)
  }

  @Test func areasOfClassesCountAllPairs() throws {
    var area = AreaUnderCurve(classCount: 5)
    for batch in try Self.batches() { try area.add(batch) }
    let expected = try Fixtures.metrics.numbers("areas")
    #expect(largestDifference((0..<5).compactMap { area.area(ofClass: $0) }, expected) < 1e-9)
  }

  @Test func singleScoresStandForTwoClasses() throws {
    let batches = try Self.batches("scores_of_two", "labels_of_two", kind: .probabilities)
    let accuracy = try Fixtures.metrics.numbers("accuracy_of_two")
    let area = try Fixtures.metrics.numbers("area_of_two")
    #expect(
      largestDifference([try Self.measure("accuracy", classCount: 2, batches)], accuracy) < 1e-6)
    #expect(largestDifference([try Self.measure("auc", classCount: 2, batches)], area) < 1e-9)
    // As logits, at 0 instead of ½.
    let logits = try LabelledScores(
      scores: try Tensor([Float(-0.25), 0.25, 3], shape: [3, 1]), labels: [0, 0, 1], kind: .logits)
    #expect((0..<3).map(logits.prediction) == [0, 1, 1])
    #expect(largestDifference(logits.probabilities(1), [0.4378235, 0.5621765]) < 1e-6)
  }

  @Test func equalScoresShareTheirRank() throws {
    let scores = try Tensor([Float(1), 1, 0, 1, 1, 0], shape: [2, 3])
    let batch = try LabelledScores(scores: scores, labels: [1, 2], kind: .logits)
    #expect(try Self.measure("top_1_accuracy", classCount: 3, [batch]) == 0.5)
    #expect(try Self.measure("accuracy", classCount: 3, [batch]) == 0)
  }

  /// Classes without samples, and scores that are no numbers.
  @Test func emptyClassesAndOddScoresAreNoTraps() throws {
    let scores = try Tensor([Float.nan, 1, 0, .nan, .nan, .nan], shape: [2, 3])
    let batch = try LabelledScores(scores: scores, labels: [0, 1], kind: .logits)
    #expect((0..<2).map(batch.prediction) == [1, 0])
    for name in Metrics.names {
      let value = try Self.measure(name, classCount: 3, [batch])
      #expect(value >= 0 && value <= 1, "\(name): \(value)")
    }
    var area = AreaUnderCurve(classCount: 3)
    try area.add(batch)
    #expect(area.area(ofClass: 2) == nil)
  }

  @Test func wrongInputsAreErrors() throws {
    let scores = try Tensor(zeros: .float, shape: [2, 3])
    for labels in [[0], [0, 3], [-1, 0]] {
      #expect(throws: GraftError.self) {
        try LabelledScores(scores: scores, labels: labels, kind: .logits)
      }
    }
    #expect(throws: GraftError.self) {
      try LabelledScores(
        scores: try Tensor(zeros: .double, shape: [2, 3]), labels: [0, 0], kind: .logits)
    }
    #expect(throws: GraftError.self) { try Metrics.named("top_0_accuracy", classCount: 3) }
    #expect(throws: GraftError.self) { try Metrics.named("acuracy", classCount: 3) }
    let batch = try LabelledScores(scores: scores, labels: [0, 1], kind: .logits)
    for name in ["f1", "auc"] {
      var metric = try Metrics.named(name, classCount: 4)
      #expect(throws: GraftError.self) { try metric.add(batch) }
    }
  }

  @Test func lossesAreWeightedByTheirSamples() {
    var mean = MeanLoss()
    #expect(mean.value == 0)
    mean.add(1, count: 3)
    mean.add(5, count: 1)
    #expect(mean.value == 2 && mean.count == 4)
  }
}
