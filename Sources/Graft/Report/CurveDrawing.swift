import GraftTraining
import GraftVision

/// Learning curves: loss and accuracy of all epochs, side by side. Thin lines separate the phases.
enum CurveDrawing {
  static func svg(_ history: [EpochRecord]) -> String {
    var canvas = SVGCanvas(width: Int(2 * LineChart.width), height: Int(LineChart.height))
    draw(history, on: &canvas)
    return canvas.file
  }

  static func image(_ history: [EpochRecord]) throws -> Image {
    var canvas = PixelCanvas(width: Int(2 * LineChart.width), height: Int(LineChart.height))
    draw(history, on: &canvas)
    return try canvas.image()
  }

  private static func draw(_ history: [EpochRecord], on canvas: inout some ChartCanvas) {
    chart("loss", history, \.loss, \.validationLoss, format: "%.3g").draw(on: &canvas)
    chart("accuracy", history, \.accuracy, \.validationAccuracy, format: "%.2f")
      .draw(on: &canvas, left: LineChart.width)
  }

  private static func chart(
    _ title: String, _ history: [EpochRecord], _ training: (EpochRecord) -> Double,
    _ validation: (EpochRecord) -> Double?, format: String
  ) -> LineChart {
    func points(_ value: (EpochRecord) -> Double?) -> [ChartPoint] {
      history.enumerated().compactMap { index, record in
        value(record).map { ChartPoint(x: Double(index + 1), y: $0) }
      }
    }
    let last = max(1, history.count)
    return LineChart(
      title: title,
      curves: [
        LineChart.Curve(name: "training", color: 0x1668a7, points: points(training)),
        LineChart.Curve(name: "validation", color: 0xc2571a, points: points(validation)),
      ],
      range: 1...Double(last), axisTitle: "epoch",
      axisLabels: (last > 1 ? [1, last] : [1]).map { (Double($0), "\($0)") },
      separators: history.indices.dropFirst()
        .filter { history[$0].phase != history[$0 - 1].phase }.map { Double($0) + 0.5 },
      format: format)
  }
}
