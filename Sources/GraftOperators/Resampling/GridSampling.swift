import GraftExecution
import GraftGraph
import GraftTensor

/// The attributes of ``GridSample``, and the elements along one axis that contribute to a sample.
struct GridSampling: Sendable {
  enum Interpolation: String, CaseIterable {
    case linear, nearest, cubic
  }

  /// The values outside the input.
  enum Padding: String, CaseIterable {
    case zeros, border, reflection
  }

  struct Tap {
    var index: Int
    var weight: Double
    /// The weight's derivative by the normalized coordinate.
    var slope: Double
  }

  /// The largest number of elements per axis for a sample.
  static let tapsPerAxis = 4

  let interpolation: Interpolation
  let padding: Padding
  let alignsCorners: Bool

  init(_ attributes: AttributeReader) throws {
    let mode = try attributes.choice(
      "mode", default: "linear", of: Interpolation.allCases.map(\.rawValue))
    interpolation = Interpolation(rawValue: mode) ?? .linear
    let outside = try attributes.choice(
      "padding_mode", default: "zeros", of: Padding.allCases.map(\.rawValue))
    padding = Padding(rawValue: outside) ?? .zeros
    alignsCorners = try attributes.flag("align_corners")
  }

  /// Makes a kernel in the type of these inputs, or in the narrower of float and double that can
  /// represent all of them.
  static func kernel(
    _ context: PrepareContext, inputs: [Int],
    float: (PrepareContext) throws -> PreparedKernel,
    double: (PrepareContext) throws -> PreparedKernel
  ) throws -> PreparedKernel {
    let types = Set(try inputs.map { try context.input($0).elementType })
    let isNarrow = types.isSubset(of: Set<ElementType>.halfPrecision.union([.float]))
    let (wide, make) = isNarrow ? (ElementType.float, float) : (.double, double)
    let narrower = types.subtracting([wide])
    return narrower.isEmpty
      ? try make(context) : try context.converting(narrower, to: wide, make)
  }

  /// Writes the taps of a sample at a normalized coordinate of one axis; returns their number.
  func fill(
    _ taps: UnsafeMutableBufferPointer<Tap>, at normalized: Double, extent: Int
  ) -> Int {
    let length = Double(extent)
    var coordinate =
      alignsCorners ? (normalized + 1) / 2 * (length - 1) : ((normalized + 1) * length - 1) / 2
    if interpolation == .nearest { coordinate = coordinate.rounded(.toNearestOrEven) }
    // The coordinate's derivative by the normalized one.
    var slope = (alignsCorners ? length - 1 : length) / 2
    switch padding {
    case .zeros: break
    // For cubic interpolation, elements are clamped instead, as in PyTorch and onnxruntime.
    case .border where interpolation == .cubic: break
    case .border:
      if coordinate <= 0 || coordinate >= length - 1 { slope = 0 }
      coordinate = max(0, min(coordinate, length - 1))
    case .reflection:
      let inside = reflected(coordinate, extent)
      slope *= inside.sign
      coordinate = inside.coordinate
    }
    // Beyond two elements outside the input, all coordinates are equivalent; NaN is treated as one.
    coordinate = coordinate.isNaN ? -3 : max(-3, min(coordinate, length + 2))
    let base = Int(coordinate.rounded(.down))
    let part = coordinate - Double(base)
    switch interpolation {
    case .nearest:
      taps[0] = tap(base, 1, 0, extent)
      return 1
    case .linear:
      taps[0] = tap(base, 1 - part, -slope, extent)
      taps[1] = tap(base + 1, part, slope, extent)
      return 2
    case .cubic:
      for number in 0..<4 {
        let distance = Double(number - 1) - part
        taps[number] = tap(
          base - 1 + number, cubicWeight(distance), -slope * cubicSlope(distance), extent)
      }
      return 4
    }
  }

  private func tap(_ index: Int, _ weight: Double, _ slope: Double, _ extent: Int) -> Tap {
    var inside = index
    if index < 0 || index >= extent {
      switch padding {
      case .zeros: return Tap(index: 0, weight: 0, slope: 0)
      case .border: break
      case .reflection: inside = Int(reflected(Double(index), extent).coordinate)
      }
      inside = max(0, min(inside, extent - 1))
    }
    return Tap(index: inside, weight: weight, slope: slope)
  }

  /// Reflects at the outer elements' centres or edges until it is between them; also returns the
  /// sign of the direction.
  private func reflected(
    _ coordinate: Double, _ extent: Int
  ) -> (coordinate: Double, sign: Double) {
    let low = alignsCorners ? 0 : -0.5
    let high = alignsCorners ? Double(extent) - 1 : Double(extent) - 0.5
    let span = high - low
    guard span > 0 else { return (low, 0) }
    guard coordinate < low || coordinate > high else { return (coordinate, 1) }
    let distance = coordinate < low ? low - coordinate : coordinate - high
    let rest = distance.truncatingRemainder(dividingBy: span)
    let isEven = (distance / span).rounded(.towardZero).truncatingRemainder(dividingBy: 2) == 0
    // The distance grows to the left on the left side.
    let outwards = coordinate < low ? -1.0 : 1
    return isEven == (coordinate < low)
      ? (low + rest, outwards) : (high - rest, -outwards)
  }

  /// Cubic convolution with coefficient -0.75.
  private func cubicWeight(_ distance: Double) -> Double {
    let x = abs(distance)
    if x <= 1 { return (1.25 * x - 2.25) * x * x + 1 }
    return x < 2 ? -0.75 * (((x - 5) * x + 8) * x - 4) : 0
  }

  /// The derivative of ``cubicWeight(_:)``.
  private func cubicSlope(_ distance: Double) -> Double {
    let x = abs(distance)
    let sign = distance < 0 ? -1.0 : 1
    if x <= 1 { return sign * (3.75 * x - 4.5) * x }
    return x < 2 ? sign * -0.75 * ((3 * x - 10) * x + 8) : 0
  }
}
