import Foundation
import GraftTraining

/// Learning curves as SVG.
enum CurveDrawing {
  private static let size = (width: 420.0, height: 240.0)
  private static let margin = (left: 48.0, right: 12.0, top: 28.0, bottom: 30.0)

  private struct Curve {
    let name: String
    let color: String
    let values: [Double?]
  }

  /// Loss and accuracy of all epochs, side by side. Thin lines part the phases.
  static func svg(_ history: [EpochRecord]) -> String {
    let loss = chart(
      "loss",
      [
        Curve(name: "training", color: "#1668a7", values: history.map(\.loss)),
        Curve(name: "validation", color: "#c2571a", values: history.map(\.validationLoss)),
      ], history, format: "%.3g")
    let accuracy = chart(
      "accuracy",
      [
        Curve(name: "training", color: "#1668a7", values: history.map(\.accuracy)),
        Curve(name: "validation", color: "#c2571a", values: history.map(\.validationAccuracy)),
      ], history, format: "%.2f")
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(2 * size.width)) \(Int(size.height))" \
      font-family="sans-serif" font-size="11">
      <rect width="100%" height="100%" fill="white"/>
      \(loss)
      <g transform="translate(\(Int(size.width)) 0)">
      \(accuracy)
      </g>
      </svg>

      """
  }

  private static func chart(
    _ title: String, _ curves: [Curve], _ history: [EpochRecord], format: String
  ) -> String {
    let finite = curves.flatMap(\.values).compactMap { $0 }.filter(\.isFinite)
    var low = finite.min() ?? 0
    var high = finite.max() ?? 1
    if high - low < 1e-9 { (low, high) = (low - 0.5, high + 0.5) }
    let inner = (
      width: size.width - margin.left - margin.right,
      height: size.height - margin.top - margin.bottom
    )
    func x(_ index: Int) -> Double {
      margin.left + inner.width
        * (history.count < 2 ? 0.5 : Double(index) / Double(history.count - 1))
    }
    func y(_ value: Double) -> Double { margin.top + inner.height * (high - value) / (high - low) }
    var parts = [
      text(margin.left, 16, title, weight: "bold"),
      line(margin.left, margin.top, margin.left, margin.top + inner.height, "#888"),
      line(
        margin.left, margin.top + inner.height, margin.left + inner.width,
        margin.top + inner.height, "#888"),
    ]
    for step in 0...4 {
      let value = low + (high - low) * Double(step) / 4
      parts.append(line(margin.left, y(value), margin.left + inner.width, y(value), "#e4e4e4"))
      parts.append(
        text(margin.left - 5, y(value) + 4, String(format: format, value), anchor: "end"))
    }
    for index in history.indices.dropFirst() where history[index].phase != history[index - 1].phase
    {
      let middle = (x(index) + x(index - 1)) / 2
      parts.append(line(middle, margin.top, middle, margin.top + inner.height, "#bbb"))
    }
    if let last = history.indices.last {
      parts.append(text(x(0), size.height - 12, "1", anchor: "middle"))
      if last > 0 { parts.append(text(x(last), size.height - 12, "\(last + 1)", anchor: "middle")) }
      parts.append(text(margin.left + inner.width / 2, size.height - 12, "epoch", anchor: "middle"))
    }
    for (number, curve) in curves.enumerated() where curve.values.contains(where: { $0 != nil }) {
      let points = curve.values.enumerated().compactMap { index, value in
        value.flatMap { $0.isFinite ? String(format: "%.1f,%.1f", x(index), y($0)) : nil }
      }
      parts.append(
        "<polyline fill=\"none\" stroke=\"\(curve.color)\" stroke-width=\"1.8\" "
          + "points=\"\(points.joined(separator: " "))\"/>")
      if points.count == 1, let point = points.first?.split(separator: ",") {
        parts.append(
          "<circle cx=\"\(point[0])\" cy=\"\(point[1])\" r=\"3\" fill=\"\(curve.color)\"/>")
      }
      parts.append(
        text(
          margin.left + inner.width, 16 + 13 * Double(number), curve.name, anchor: "end",
          color: curve.color))
    }
    return parts.joined(separator: "\n")
  }

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String
  ) -> String {
    String(
      format: "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%@\"/>", x1, y1, x2,
      y2,
      color)
  }

  private static func text(
    _ x: Double, _ y: Double, _ text: String, anchor: String = "start", weight: String = "normal",
    color: String = "#333"
  ) -> String {
    String(
      format:
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%@\" font-weight=\"%@\" fill=\"%@\">%@</text>",
      x, y, anchor, weight, color, text)
  }
}
