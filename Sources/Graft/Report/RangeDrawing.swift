import GraftFiles
import GraftTraining

/// A range test of learning rates as CSV, and as a chart over the logarithms of the rates.
package enum RangeDrawing {
  package static func csv(_ range: LearningRateRange) -> String {
    let lines = range.points.map { "\($0.learningRate),\($0.loss),\($0.smoothedLoss)" }
    return (["learning_rate,loss,smoothed_loss"] + lines).joined(separator: "\n") + "\n"
  }

  package static func svg(_ range: LearningRateRange) -> String {
    let logarithms = range.points.map { log10($0.learningRate) }
    let (low, high) = (logarithms.first ?? 0, logarithms.last ?? 0)
    // A diverging loss would flatten the rest of the chart.
    let limit = 2 * (range.points.first?.smoothedLoss ?? 0)
    func points(_ value: (LearningRateRange.Point) -> Double) -> [ChartPoint] {
      zip(logarithms, range.points).compactMap { x, point in
        value(point) <= limit ? ChartPoint(x: x, y: value(point)) : nil
      }
    }
    let chart = LineChart(
      title: "loss",
      curves: [
        LineChart.Curve(name: "steps", color: 0xb9cfe0, points: points(\.loss)),
        LineChart.Curve(name: "smoothed", color: 0x1668a7, points: points(\.smoothedLoss)),
      ],
      range: low...high, axisTitle: "learning rate",
      // Two powers of ten, which leave room for the title.
      axisLabels: [-6, min(0, high.rounded(.down))].filter { (low...high).contains($0) }
        .map { ($0, String(printf: "%.0e", pow(10, $0))) },
      separators: range.suggestion.map { [log10($0)] } ?? [], format: "%.3g")
    var canvas = SVGCanvas(width: Int(LineChart.width), height: Int(LineChart.height))
    chart.draw(on: &canvas)
    return canvas.file
  }
}
