import GraftFiles
import GraftGraph

/// The attributes of ``Resize``, and their effect on one axis.
struct ResizeMethod {
  enum Interpolation: String, CaseIterable {
    case nearest, linear, cubic
  }

  /// How a result index becomes a coordinate in the input.
  enum CoordinateTransformation: String, CaseIterable {
    case half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric
    case tf_half_pixel_for_nn, tf_crop_and_resize
  }

  enum NearestRounding: String, CaseIterable {
    case round_prefer_floor, round_prefer_ceil, floor, ceil
  }

  enum AspectRatioPolicy: String, CaseIterable {
    case stretch, not_larger, not_smaller
  }

  let interpolation: Interpolation
  let coordinates: CoordinateTransformation
  let rounding: NearestRounding
  let policy: AspectRatioPolicy
  let axes: [Int]?
  let isAntialiased: Bool
  let excludesOutside: Bool
  let cubicCoefficient: Double
  let extrapolationValue: Float

  init(_ attributes: AttributeReader) throws {
    func choice<Choice: RawRepresentable & CaseIterable>(
      _ name: String, default standard: Choice
    ) throws -> Choice where Choice.RawValue == String {
      let raw = try attributes.choice(
        name, default: standard.rawValue, of: Choice.allCases.map(\.rawValue))
      return Choice(rawValue: raw) ?? standard
    }
    interpolation = try choice("mode", default: .nearest)
    coordinates = try choice("coordinate_transformation_mode", default: .half_pixel)
    rounding = try choice("nearest_mode", default: .round_prefer_floor)
    policy = try choice("keep_aspect_ratio_policy", default: .stretch)
    axes = try attributes.ints("axes")
    isAntialiased = try attributes.flag("antialias")
    excludesOutside = try attributes.flag("exclude_outside")
    cubicCoefficient = Double(try attributes.float("cubic_coeff_a", default: -0.75))
    extrapolationValue = try attributes.float("extrapolation_value", default: 0)
    guard !isAntialiased || interpolation != .nearest else {
      throw GraftError.badData("attribute 'antialias' needs mode linear or cubic")
    }
  }
}

/// The resizing of one axis.
struct ResizedAxis {
  let inputExtent: Int
  let outputExtent: Int
  let scale: Double
  /// The part of the input to use, from 0 to 1; for `tf_crop_and_resize` only.
  var region: ClosedRegion = ClosedRegion(start: 0, end: 1)

  struct ClosedRegion: Equatable {
    let start: Double
    let end: Double
  }

  /// Whether it has no effect.
  func isIdentity(_ method: ResizeMethod) -> Bool {
    inputExtent == outputExtent && abs(scale - 1) <= 1e-9
      && (method.coordinates != .tf_crop_and_resize || region == ClosedRegion(start: 0, end: 1))
  }

  /// The input coordinate of a result index.
  private func coordinate(_ index: Int, _ method: ResizeMethod) -> Double {
    let place = Double(index)
    let input = Double(inputExtent)
    let output = scale * input
    let coordinate =
      switch method.coordinates {
      case .half_pixel: (place + 0.5) / scale - 0.5
      case .half_pixel_symmetric:
        input / 2 * (1 - Double(outputExtent) / output) + (place + 0.5) / scale - 0.5
      case .pytorch_half_pixel: output == 1 ? -0.5 : (place + 0.5) / scale - 0.5
      case .align_corners: output == 1 ? 0 : place * (input - 1) / (output - 1)
      case .asymmetric: place / scale
      case .tf_half_pixel_for_nn: (place + 0.5) / scale
      case .tf_crop_and_resize:
        region.start * (input - 1)
          + (region.end - region.start) * (input - 1)
          * (output == 1 ? 0.5 : place / (output - 1))
      }
    return coordinate.isNaN ? 0 : coordinate
  }

  /// For each result index the nearest input index; `nil` outside the region's input.
  func nearest(_ method: ResizeMethod) -> [Int?] {
    (0..<outputExtent).map { index in
      let coordinate = coordinate(index, method)
      if isOutside(coordinate, method) { return nil }
      let rounded =
        switch method.rounding {
        case .round_prefer_floor: (coordinate - 0.5).rounded(.up)
        case .round_prefer_ceil: (coordinate + 0.5).rounded(.down)
        case .floor: coordinate.rounded(.down)
        case .ceil: coordinate.rounded(.up)
        }
      return Int(max(0, min(rounded, Double(inputExtent - 1))))
    }
  }

  private func isOutside(_ coordinate: Double, _ method: ResizeMethod) -> Bool {
    method.coordinates == .tf_crop_and_resize
      && (coordinate < 0 || coordinate > Double(inputExtent - 1))
  }

  /// The linear map of this axis, and the result indices outside.
  func weights(_ method: ResizeMethod) -> (weights: AxisWeights, outside: [Int]) {
    if method.interpolation == .nearest {
      let picked = nearest(method)
      return (
        AxisWeights(picking: picked, from: inputExtent),
        picked.indices.filter { picked[$0] == nil }
      )
    }
    var result = AxisWeights(inputExtent: inputExtent)
    var outside: [Int] = []
    // Without elements, the scale is arbitrary.
    guard outputExtent > 0 else { return (result, outside) }
    let filter = ResizeFilter(method, scale: scale)
    for index in 0..<outputExtent {
      let coordinate = coordinate(index, method)
      if isOutside(coordinate, method) {
        outside.append(index)
        result.append([])
      } else {
        result.append(
          filter.taps(at: coordinate, extent: inputExtent, excludingOutside: method.excludesOutside)
        )
      }
    }
    return (result, outside)
  }
}
