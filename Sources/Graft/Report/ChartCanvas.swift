import GraftFiles

/// The drawing surface of charts. Lengths are in points from the upper left corner; colours are
/// 0xRRGGBB.
protocol ChartCanvas {
  mutating func polyline(_ points: [ChartPoint], color: UInt32, width: Double)
  mutating func dot(_ center: ChartPoint, color: UInt32)
  /// - Parameter position: on the baseline, at the `anchor`
  mutating func text(
    _ text: String, _ position: ChartPoint, anchor: TextAnchor, isBold: Bool, color: UInt32)
}

struct ChartPoint {
  var x: Double
  var y: Double
}

/// The part of a text that is at its position.
enum TextAnchor: String {
  case start, middle, end
}

/// A drawing as SVG.
struct SVGCanvas: ChartCanvas {
  let width: Int
  let height: Int
  private var parts: [String] = []

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  var file: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" \
    font-family="sans-serif" font-size="11">
    <rect width="100%" height="100%" fill="white"/>
    \(parts.joined(separator: "\n"))
    </svg>

    """
  }

  mutating func polyline(_ points: [ChartPoint], color: UInt32, width: Double) {
    let places = points.map { String(printf: "%.1f,%.1f", $0.x, $0.y) }.joined(separator: " ")
    parts.append(
      "<polyline fill=\"none\" stroke=\"\(SVGCanvas.name(color))\" stroke-width=\"\(width)\" "
        + "points=\"\(places)\"/>")
  }

  mutating func dot(_ center: ChartPoint, color: UInt32) {
    parts.append(
      String(printf: "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" ", center.x, center.y)
        + "fill=\"\(SVGCanvas.name(color))\"/>")
  }

  mutating func text(
    _ text: String, _ position: ChartPoint, anchor: TextAnchor, isBold: Bool, color: UInt32
  ) {
    parts.append(
      String(printf: "<text x=\"%.1f\" y=\"%.1f\" ", position.x, position.y)
        + "text-anchor=\"\(anchor.rawValue)\" font-weight=\"\(isBold ? "bold" : "normal")\" "
        + "fill=\"\(SVGCanvas.name(color))\">\(text)</text>")
  }

  private static func name(_ color: UInt32) -> String { String(printf: "#%06x", color) }
}
