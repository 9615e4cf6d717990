import GraftVision

/// A drawing in pixels, two per point.
struct PixelCanvas: ChartCanvas {
  private static let scale = 2.0
  /// The size of a letter's pixel, in pixels.
  private static let letterScale = 2

  private let width: Int
  private let height: Int
  /// `[height, width, 3]`, from 0 to 255.
  private var samples: [UInt8]

  /// - Parameters:
  ///   - width: in points, like `height`
  init(width: Int, height: Int) {
    self.width = Int(PixelCanvas.scale) * width
    self.height = Int(PixelCanvas.scale) * height
    samples = [UInt8](repeating: 255, count: self.width * self.height * 3)
  }

  func image() throws -> Image {
    try Image(width: width, height: height, channelCount: 3, samples: samples)
  }

  mutating func polyline(_ points: [ChartPoint], color: UInt32, width: Double) {
    for (start, end) in zip(points, points.dropFirst()) {
      stroke(start, end, color: color, radius: width * PixelCanvas.scale / 2)
    }
  }

  mutating func dot(_ center: ChartPoint, color: UInt32) {
    stroke(center, center, color: color, radius: 3 * PixelCanvas.scale)
  }

  /// Colours everything within a distance from a line segment.
  private mutating func stroke(
    _ start: ChartPoint, _ end: ChartPoint, color: UInt32, radius: Double
  ) {
    let (x1, y1) = (start.x * PixelCanvas.scale, start.y * PixelCanvas.scale)
    let (x2, y2) = (end.x * PixelCanvas.scale, end.y * PixelCanvas.scale)
    guard [x1, y1, x2, y2].allSatisfy(\.isFinite) else { return }
    let (dx, dy) = (x2 - x1, y2 - y1)
    let length = dx * dx + dy * dy
    for row in PixelCanvas.pixels(y1, y2, radius + 1, height) {
      for column in PixelCanvas.pixels(x1, x2, radius + 1, width) {
        let (x, y) = (Double(column) + 0.5, Double(row) + 0.5)
        let share = length > 0 ? min(max(((x - x1) * dx + (y - y1) * dy) / length, 0), 1) : 0
        let (offX, offY) = (x - x1 - share * dx, y - y1 - share * dy)
        let distance = (offX * offX + offY * offY).squareRoot()
        blend(row, column, color, min(max(radius + 0.5 - distance, 0), 1))
      }
    }
  }

  /// The pixels between two coordinates, extended by `margin` and clipped.
  private static func pixels(
    _ first: Double, _ second: Double, _ margin: Double, _ count: Int
  ) -> Range<Int> {
    let limit = Double(count)
    let low = min(max(min(first, second) - margin, 0), limit)
    let high = min(max(max(first, second) + margin, low), limit)
    return Int(low)..<Int(high.rounded(.up))
  }

  mutating func text(
    _ text: String, _ position: ChartPoint, anchor: TextAnchor, isBold: Bool, color: UInt32
  ) {
    let letter = PixelCanvas.letterScale
    let advance = (BitmapFont.width + 1) * letter
    let width = text.count * advance - letter
    let shift =
      switch anchor {
      case .start: 0
      case .middle: width / 2
      case .end: width
      }
    // Nothing outside the canvas is visible.
    guard let x = pixel(position.x), let y = pixel(position.y) else { return }
    let left = x - shift
    let top = y - BitmapFont.ascent * letter
    for (number, character) in text.enumerated() {
      for (y, row) in BitmapFont.rows(of: character).enumerated() {
        for (x, hasInk) in row.enumerated() where hasInk {
          // A bold letter is a pixel wider.
          for column in 0..<letter + (isBold ? 1 : 0) {
            for line in 0..<letter {
              blend(
                top + y * letter + line, left + number * advance + x * letter + column, color, 1)
            }
          }
        }
      }
    }
  }

  /// The pixel of a coordinate; `nil` far outside the canvas.
  private func pixel(_ coordinate: Double) -> Int? {
    let limit = Double(4 * max(width, height))
    let scaled = coordinate * PixelCanvas.scale
    return (-limit...limit).contains(scaled) ? Int(scaled) : nil
  }

  private mutating func blend(_ row: Int, _ column: Int, _ color: UInt32, _ share: Double) {
    guard share > 0, (0..<height).contains(row), (0..<width).contains(column) else { return }
    for channel in 0..<3 {
      let index = (row * width + column) * 3 + channel
      let value = Double(color >> (16 - 8 * UInt32(channel)) & 0xff)
      let old = Double(samples[index])
      samples[index] = UInt8((old + (value - old) * share).rounded())
    }
  }
}
