/// Precision, recall or F1, as means over the classes of a ``ConfusionMatrix``.
package struct ConfusionMetric: Metric {
  package enum Measure: String, Sendable, CaseIterable {
    case precision, recall, f1
  }

  package let measure: Measure
  package private(set) var matrix: ConfusionMatrix

  package init(_ measure: Measure, classCount: Int) {
    self.measure = measure
    matrix = ConfusionMatrix(classCount: classCount)
  }

  package var name: String { measure.rawValue }

  package mutating func add(_ batch: LabelledScores) throws { try matrix.add(batch) }

  package var value: Double {
    switch measure {
    case .precision: matrix.macroPrecision
    case .recall: matrix.macroRecall
    case .f1: matrix.macroF1
    }
  }
}
