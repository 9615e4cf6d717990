import GraftFiles

/// Metrics by the names that recipes use: `accuracy`, `top_5_accuracy`, `f1`.
package enum Metrics {
  package static let names = ["accuracy", "top_5_accuracy", "precision", "recall", "f1", "auc"]

  /// - Throws: `GraftError` for an unknown name.
  package static func named(_ name: String, classCount: Int) throws -> any Metric {
    if name.hasPrefix("top_"), name.hasSuffix("_accuracy"),
      let k = Int(name.dropFirst(4).dropLast(9))
    {
      return try TopKAccuracy(k: k)
    }
    if let measure = ConfusionMetric.Measure(rawValue: name) {
      return ConfusionMetric(measure, classCount: classCount)
    }
    switch name {
    case "accuracy": return Accuracy()
    case "auc": return AreaUnderCurve(classCount: classCount)
    default:
      throw GraftError.usage(
        "'\(name)' is no metric", hint: "Known are \(names.joined(separator: ", "))")
    }
  }
}
