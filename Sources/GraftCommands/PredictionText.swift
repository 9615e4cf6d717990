import Graft
import GraftFiles

/// Ranked classes as text; with bars on a terminal.
enum PredictionText {
  private static let longestLabel = 40

  /// - Parameter classNames: of the model; `nil` if it has no labels
  static func text(
    _ file: String, _ classification: Classification, classNames: [String]?
  ) -> String {
    let predictions = classification.predictions
    let labels = predictions.map { $0.label.map(Output.oneLine) ?? "class \($0.index)" }
    let labelWidth = min(longestLabel, labels.map(\.count).max() ?? 0)
    let barWidth = max(0, min(40, Terminal.width - labelWidth - 14))
    var lines = [Output.oneLine(file)]
    if let isInDistribution = classification.isInDistribution {
      let classes = known(classNames)
      guard isInDistribution else {
        // Probabilities are only meaningful for images of the classes.
        lines.append("  none of my \(classes), most like \(labels[0])")
        return lines.joined(separator: "\n")
      }
      lines.append("  of my \(classes):")
    }
    for (prediction, label) in zip(predictions, labels) {
      let name = label.count > labelWidth ? label.prefix(labelWidth - 1) + "…" : label[...]
      let padding = String(repeating: " ", count: labelWidth - name.count)
      let percent = String(printf: "%6.2f %%", Double(prediction.probability) * 100)
      var line = "  \(name)\(padding)  \(percent)"
      if Terminal.isOutputTerminal, barWidth > 0 {
        line += "  " + Terminal.bar(Double(prediction.probability), width: barWidth)
      }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }

  private static let numberWords = [
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
  ]

  /// "ten classes (airplane, …)"
  private static func known(_ classNames: [String]?) -> String {
    guard let classNames, classNames.count > 1 else { return "classes" }
    let word = classNames.count - 2
    let count =
      numberWords.indices.contains(word) ? numberWords[word] : "\(classNames.count)"
    return "\(count) classes (\(classNames.map(Output.oneLine).listed(limit: 20)))"
  }
}
