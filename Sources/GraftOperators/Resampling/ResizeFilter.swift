/// The weights of the input's elements around a coordinate, for linear and cubic interpolation.
///
/// Cubic convolution: <https://doi.org/10.1109/TASSP.1981.1163711>, equation 4
struct ResizeFilter {
  private let isCubic: Bool
  private let coefficient: Double
  /// Below 1 if the filter is stretched over more elements.
  private let scale: Double
  /// The taps on each side of the coordinate.
  private let halfWidth: Int

  init(_ method: ResizeMethod, scale: Double) {
    isCubic = method.interpolation == .cubic
    coefficient = method.cubicCoefficient
    self.scale = method.isAntialiased ? min(scale, 1) : 1
    halfWidth = -Int(((isCubic ? -2 : -1) / self.scale).rounded(.down))
  }

  private func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    guard isCubic else { return max(0, 1 - x) }
    if x <= 1 { return ((coefficient + 2) * x - (coefficient + 3)) * x * x + 1 }
    if x < 2 { return coefficient * (((x - 5) * x + 8) * x - 4) }
    return 0
  }

  /// The taps at a coordinate. Those outside `0 ..< extent` are moved to the edge, or omitted.
  func taps(
    at coordinate: Double, extent: Int, excludingOutside: Bool
  ) -> [(index: Int, weight: Double)] {
    // Beyond the filter's reach, all coordinates are equivalent.
    let reach = Double(halfWidth + 1)
    let coordinate = max(-reach, min(coordinate, Double(extent) + reach))
    let base = Int(coordinate.rounded(.up)) - 1
    var taps: [(index: Int, weight: Double)] = []
    for index in base - halfWidth + 1...base + halfWidth {
      let isOutside = index < 0 || index >= extent
      let weight =
        isOutside && excludingOutside ? 0 : weight((Double(index) - coordinate) * scale)
      taps.append((max(0, min(index, extent - 1)), weight))
    }
    let sum = taps.reduce(0) { $0 + $1.weight }
    guard scale < 1 || excludingOutside, sum != 0 else { return taps }
    return taps.map { ($0.index, $0.weight / sum) }
  }
}
