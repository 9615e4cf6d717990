import GraftFiles

/// Curves over a common axis, with a frame, labels, and thin lines that divide the axis.
struct LineChart {
  struct Curve {
    let name: String
    let color: UInt32
    /// Points without finite values are omitted.
    let points: [ChartPoint]
  }

  static let width = 420.0
  static let height = 240.0
  private static let margin = (left: 48.0, right: 12.0, top: 28.0, bottom: 30.0)

  let title: String
  let curves: [Curve]
  /// The limits of the axis.
  let range: ClosedRange<Double>
  /// The title below the axis.
  let axisTitle: String
  let axisLabels: [(x: Double, text: String)]
  var separators: [Double] = []
  /// The format of values next to the chart.
  let format: String

  /// - Parameter left: the left edge of the chart on the canvas
  func draw(on canvas: inout some ChartCanvas, left: Double = 0) {
    let finite = curves.flatMap(\.points).map(\.y).filter(\.isFinite)
    var low = finite.min() ?? 0
    var high = finite.max() ?? 1
    // Halves, since the range of huge values may not be finite.
    if high / 2 - low / 2 < 5e-10 { (low, high) = (low - 0.5, high + 0.5) }
    let (width, height) = (
      LineChart.width - LineChart.margin.left - LineChart.margin.right,
      LineChart.height - LineChart.margin.top - LineChart.margin.bottom
    )
    let (start, top) = (left + LineChart.margin.left, LineChart.margin.top)
    func place(_ point: ChartPoint) -> ChartPoint {
      let length = range.upperBound - range.lowerBound
      let share = length > 0 ? (point.x - range.lowerBound) / length : 0.5
      return ChartPoint(
        x: start + width * share,
        y: top + height * ((high / 2 - point.y / 2) / (high / 2 - low / 2)))
    }
    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: UInt32) {
      canvas.polyline(
        [ChartPoint(x: x1, y: y1), ChartPoint(x: x2, y: y2)], color: color, width: 1)
    }
    func text(
      _ text: String, _ x: Double, _ y: Double, _ anchor: TextAnchor, isBold: Bool = false,
      color: UInt32 = 0x333333
    ) {
      canvas.text(
        text, ChartPoint(x: x, y: y), anchor: anchor, isBold: isBold, color: color)
    }
    for step in 0...4 {
      let share = Double(step) / 4
      let value = low * (1 - share) + high * share
      let y = place(ChartPoint(x: 0, y: value)).y
      line(start, y, start + width, y, 0xe4e4e4)
      text(String(printf: format, value), start - 5, y + 4, .end)
    }
    for separator in separators {
      let x = place(ChartPoint(x: separator, y: low)).x
      line(x, top, x, top + height, 0xbbbbbb)
    }
    line(start, top, start, top + height, 0x888888)
    line(start, top + height, start + width, top + height, 0x888888)
    text(title, start, 16, .start, isBold: true)
    let below = LineChart.height - 12
    for label in axisLabels {
      text(label.text, place(ChartPoint(x: label.x, y: low)).x, below, .middle)
    }
    text(axisTitle, start + width / 2, below, .middle)
    var number = 0
    for curve in curves {
      let points = curve.points.filter { $0.y.isFinite }.map(place)
      guard let first = points.first else { continue }
      if points.count == 1 { canvas.dot(first, color: curve.color) }
      canvas.polyline(points, color: curve.color, width: 1.8)
      text(curve.name, start + width, 12 + 12 * Double(number), .end, color: curve.color)
      number += 1
    }
  }
}
