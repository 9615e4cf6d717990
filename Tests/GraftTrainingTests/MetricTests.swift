import GraftFiles
import GraftTensor
import GraftTraining
import TestSupport
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

  static func topKAccuracy(_ k: Int, _ batches: [LabelledScores]) throws -> Double {
    var metric = try TopKAccuracy(k: k)
    #expect(metric.value == 0)
    for batch in batches { metric.add(batch) }
    return metric.value
  }

  static func area(classCount: Int, _ batches: [LabelledScores]) throws -> Double {
    var area = AreaUnderCurve(classCount: classCount)
    #expect(area.mean == nil)
    for batch in batches { try area.add(batch) }
    return try #require(area.mean)
  }

  static func matrix(classCount: Int, _ batches: [LabelledScores]) throws -> ConfusionMatrix {
    var matrix = ConfusionMatrix(classCount: classCount)
    #expect(matrix.accuracy == 0 && matrix.macroF1 == 0)
    for batch in batches { try matrix.add(batch) }
    return matrix
  }

  @Test(arguments: [(2, "top_2"), (3, "top_3")])
  func ranksAreThoseOfKeras(_ k: Int, _ stored: String) throws {
    let value = try Self.topKAccuracy(k, Self.batches())
    #expect(try largestDifference([value], Fixtures.metrics.numbers(stored)) < 1e-6)
  }

  @Test func areaIsThatOfKeras() throws {
    let area = try Self.area(classCount: 5, Self.batches())
    #expect(try largestDifference([area], Fixtures.metrics.numbers("area_macro")) < 1e-6)
  }

  @Test func classesAreMeasuredAsKerasDoes() throws {
    let matrix = try Self.matrix(classCount: 5, Self.batches())
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
    #expect(try largestDifference([matrix.macroF1], Fixtures.metrics.numbers("f1_macro")) < 1e-6)
    let accuracy = try Fixtures.metrics.numbers("accuracy")
    #expect(largestDifference([matrix.accuracy], accuracy) < 1e-6)
  }

  @Test func areasOfClassesCountAllPairs() throws {
    var area = AreaUnderCurve(classCount: 5)
    for batch in try Self.batches() { try area.add(batch) }
    let expected = try Fixtures.metrics.numbers("areas")
    #expect(largestDifference((0..<5).compactMap { area.area(ofClass: $0) }, expected) < 1e-9)
    let mean = try Fixtures.metrics.numbers("area_macro")
    #expect(try largestDifference([#require(area.mean)], mean) < 1e-6)
  }

  @Test func singleScoresStandForTwoClasses() throws {
    let batches = try Self.batches("scores_of_two", "labels_of_two", kind: .probabilities)
    let accuracy = try Fixtures.metrics.numbers("accuracy_of_two")
    let area = try Fixtures.metrics.numbers("area_of_two")
    let matrix = try Self.matrix(classCount: 2, batches)
    #expect(largestDifference([matrix.accuracy], accuracy) < 1e-6)
    #expect(largestDifference([try Self.area(classCount: 2, batches)], area) < 1e-9)
    // As logits, at 0 instead of ½.
    let logits = try LabelledScores(
      scores: try Tensor([Float(-0.25), 0.25, 3], shape: [3, 1]), labels: [0, 0, 1], kind: .logits)
    #expect((0..<3).map(logits.prediction) == [0, 1, 1])
    #expect(largestDifference(logits.probabilities(1), [0.4378235, 0.5621765]) < 1e-6)
  }

  @Test func firstOfEqualScoresIsPredicted() throws {
    let scores = try Tensor([Float(1), 1, 0, 1, 1, 0], shape: [2, 3])
    let batch = try LabelledScores(scores: scores, labels: [1, 2], kind: .logits)
    #expect(try Self.topKAccuracy(1, [batch]) == 0.5)
    #expect(try Self.matrix(classCount: 3, [batch]).accuracy == 0)
  }

  /// Classes without samples, and scores that are NaN.
  @Test func emptyClassesAndOddScoresAreNoTraps() throws {
    let scores = try Tensor([Float.nan, 1, 0, .nan, .nan, .nan], shape: [2, 3])
    let batch = try LabelledScores(scores: scores, labels: [0, 1], kind: .logits)
    #expect((0..<2).map(batch.prediction) == [1, 0])
    let matrix = try Self.matrix(classCount: 3, [batch])
    var area = AreaUnderCurve(classCount: 3)
    try area.add(batch)
    let values = [
      matrix.accuracy, matrix.macroPrecision, matrix.macroRecall, matrix.macroF1,
      try Self.topKAccuracy(5, [batch]), area.mean ?? 0,
    ]
    #expect(values.allSatisfy { (0...1).contains($0) }, "\(values)")
    #expect(area.area(ofClass: 2) == nil)
  }

  @Test func wrongInputsAreErrors() throws {
    let scores = try Tensor(zeros: .float, shape: [2, 3])
    for labels in [[0], [0, 3], [-1, 0]] {
      expectError(.badData, "label") {
        try LabelledScores(scores: scores, labels: labels, kind: .logits)
      }
    }
    expectError(.badData, "double[2, 3]") {
      try LabelledScores(
        scores: try Tensor(zeros: .double, shape: [2, 3]), labels: [0, 0], kind: .logits)
    }
    #expect(throws: GraftError.self) { try TopKAccuracy(k: 0) }
    let batch = try LabelledScores(scores: scores, labels: [0, 1], kind: .logits)
    var matrix = ConfusionMatrix(classCount: 4)
    expectError(.badData) { try matrix.add(batch) }
    var area = AreaUnderCurve(classCount: 4)
    expectError(.badData) { try area.add(batch) }
  }
}
