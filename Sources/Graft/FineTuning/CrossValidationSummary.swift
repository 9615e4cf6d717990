import GraftFiles
import GraftTraining

/// The results of the folds of a cross-validation: each phase on the fold's test images.
package struct CrossValidationSummary: Sendable, Encodable {
  package struct Phase: Sendable, Encodable {
    /// From 1.
    package var phase: Int
    package var accuracy: Spread
    package var loss: Spread
  }

  /// A mean, and the sample standard deviation; `nil` for a single fold.
  package struct Spread: Sendable, Encodable {
    package var mean: Double
    package var standardDeviation: Double?

    init(_ values: [Double]) {
      let mean = values.reduce(0, +) / Double(max(1, values.count))
      self.mean = mean
      guard values.count > 1 else { return }
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      standardDeviation = (squares / Double(values.count - 1)).squareRoot()
    }

    private enum CodingKeys: String, CodingKey {
      case mean
      case standardDeviation = "standard_deviation"
    }
  }

  /// The results of each fold's phases.
  package let folds: [[RunState.PhaseResult]]
  package let phases: [Phase]

  package static let jsonName = "summary.json"
  package static let pageName = "summary.html"

  /// - Parameter folds: the results of each fold's phases, the same phases in each
  package init(folds: [[RunState.PhaseResult]]) {
    self.folds = folds
    phases = (folds.first ?? []).enumerated().map { index, result in
      Phase(
        phase: result.phase, accuracy: Spread(folds.map { $0[index].accuracy }),
        loss: Spread(folds.map { $0[index].loss }))
    }
  }

  /// Writes `summary.json` and `summary.html` to a folder.
  package func write(to folder: String) throws {
    let text = try JSONText.encode(self, isPretty: true)
    try TextFile.save(text + "\n", to: "\(folder)/\(CrossValidationSummary.jsonName)")
    try TextFile.save(html, to: "\(folder)/\(CrossValidationSummary.pageName)")
  }

  /// A table with a row for each fold and one for the means; `heading` formats a fold's name.
  package func rows(fold heading: (Int) -> String) -> [[String]] {
    let header = ["fold"] + phases.map { "phase \($0.phase)" }
    let rows = folds.enumerated().map { index, results in
      [heading(index + 1)] + results.map { String(printf: "%.2f %%", $0.accuracy * 100) }
    }
    let means = phases.map { phase in
      String(printf: "%.2f", phase.accuracy.mean * 100)
        + (phase.accuracy.standardDeviation.map { String(printf: " ± %.2f", $0 * 100) } ?? "")
        + " %"
    }
    return [header] + rows + [["mean"] + means]
  }

  private var html: String {
    let table = rows { "<a href=\"fold\($0)/report.html\">fold \($0)</a>" }.map { row in
      "<tr>" + row.map { "<td>\($0)</td>" }.joined() + "</tr>"
    }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width">
      <title>Graft: cross-validation</title>
      <style>
      body { font: 15px/1.5 sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; \
      padding: 0 1rem }
      table { border-collapse: collapse }
      td { border: 1px solid #ddd; padding: .2rem .6rem; text-align: right }
      tr:first-child, tr:last-child { font-weight: bold }
      </style>
      </head>
      <body>
      <h1>Cross-validation, \(folds.count) folds</h1>
      <p>Accuracy after each phase on the fold's test images; mean ± standard deviation.</p>
      <table>
      \(table.joined(separator: "\n"))
      </table>
      </body>
      </html>

      """
  }
}
