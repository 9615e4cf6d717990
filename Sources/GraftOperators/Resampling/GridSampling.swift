import GraftExecution
import GraftGraph
import GraftTensor

/// The attributes of ``GridSample``, and which elements along one axis make up a sample.
struct GridSampling: Sendable {
  enum Interpolation: String, CaseIterable {
    case linear, nearest, cubic
  }

  /// What lies outside of the input.
  enum Padding: String, CaseIterable {
    case zeros, border, reflection
  }

  struct Tap {
    var index: Int
    var weight: Double
    /// How the weight changes with the normalized coordinate.
    var slope: Double
  }

  /// The most elements along an axis that a sample needs.
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

  /// Makes a kernel in the type of these inputs, or in the narrower of float and double that holds all of them.
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

  /// Writes the taps of a sample at a normalized coordinate of one axis; returns how many there
  /// are.
  func fill(
    _ taps: UnsafeMutableBufferPointer<Tap>, at normalized: Double, extent: Int
  ) -> Int {
    let length = Double(extent)
    var coordinate =
      alignsCorners ? (normalized + 1) / 2 * (length - 1) : ((normalized + 1) * length - 1) / 2
    if interpolation == .nearest { coordinate = coordinate.rounded(.toNearestOrEven) }
    // What the coordinate changes by with the normalized one.
    var slope = (alignsCorners ? length - 1 : length) / 2
    switch padding {
    case .zeros: break
    // For cubic interpolation it is the elements that are clamped, as in PyTorch and onnxruntime.
    case .border where interpolation == .cubic: break
    case .border:
      if coordinate <= 0 || coordinate >= length - 1 { slope = 0 }
      coordinate = max(0, min(coordinate, length - 1))
    case .reflection:
      let inside = reflected(coordinate, extent)
      slope *= inside.sign
      coordinate = inside.coordinate
    }
    // Two elements away from the input, all coordinates are alike; NaN is taken for one of those.
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

  /// Reflected at the outer elements' centres, or edges, until it lies between them; with the sign of its direction.
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

  /// Its derivative.
  private func cubicSlope(_ distance: Double) -> Double {
    let x = abs(distance)
    let sign = distance < 0 ? -1.0 : 1
    if x <= 1 { return sign * (3.75 * x - 4.5) * x }
    return x < 2 ? sign * -0.75 * ((3 * x - 10) * x + 8) : 0
  }
}
