import Foundation
import Graft

/// Ranked classes as text; with bars on a terminal.
enum PredictionText {
  private static let longestLabel = 40

  static func text(_ file: String, _ predictions: [Prediction]) -> String {
    let labels = predictions.map { $0.label.map(Output.oneLine) ?? "class \($0.index)" }
    let labelWidth = min(longestLabel, labels.map(\.count).max() ?? 0)
    let barWidth = max(0, min(40, Terminal.width - labelWidth - 14))
    var lines = [Output.oneLine(file)]
    for (prediction, label) in zip(predictions, labels) {
      let name = label.count > labelWidth ? label.prefix(labelWidth - 1) + "…" : label[...]
      let padding = String(repeating: " ", count: labelWidth - name.count)
      let percent = String(format: "%6.2f %%", Double(prediction.probability) * 100)
      var line = "  \(name)\(padding)  \(percent)"
      if Terminal.isOutputTerminal, barWidth > 0 {
        line += "  " + Terminal.bar(Double(prediction.probability), width: barWidth)
      }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }
}
