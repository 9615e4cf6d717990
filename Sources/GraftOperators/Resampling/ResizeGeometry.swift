import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The decoded inputs `roi`, `scales` and `sizes` of ``Resize``.
struct ResizeGeometry {
  private let method: ResizeMethod
  private let axes: [Int]
  /// Start and end of the region for each of `axes`.
  private let regions: [ResizedAxis.ClosedRegion]
  private let scales: [Float]?
  private let sizes: [Int]?

  /// - Throws: `GraftError` if their numbers do not match, or a scale, size or region is invalid
  init(_ method: ResizeMethod, roi: Tensor?, scales: Tensor?, sizes: Tensor?, rank: Int) throws {
    self.method = method
    axes = try normalizedAxes(method.axes, rank: rank)
    self.scales = try scales.flatMap {
      $0.elementCount == 0 ? nil : try $0.elements(as: Float.self)
    }
    self.sizes = try sizes.flatMap { $0.elementCount == 0 ? nil : try $0.integers() }
    let count = axes.count
    guard (self.scales == nil) != (self.sizes == nil) || count == 0 else {
      throw GraftError.badData("expected one of scales and sizes")
    }
    if let scales = self.scales {
      guard scales.count == count, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw GraftError.badData("the scales \(scales) are wrong for \(count) axes")
      }
    }
    if let sizes = self.sizes {
      guard sizes.count == count, sizes.allSatisfy({ $0 >= 0 && $0 <= 1 << 48 }) else {
        throw GraftError.badData("the sizes \(sizes) are wrong for \(count) axes")
      }
    }
    let isCropping = method.coordinates == .tf_crop_and_resize
    guard isCropping else {
      regions = Array(repeating: .init(start: 0, end: 1), count: count)
      return
    }
    guard let roi, roi.elementCount == 2 * count else {
      throw GraftError.badData("the region has \(roi?.elementCount ?? 0) numbers for \(count) axes")
    }
    let wide = try Tensor(zeros: .double, shape: roi.shape)
    try ElementConversion.convert(
      roi.baseAddress, roi.elementType, to: wide.baseAddress, .double, count: roi.elementCount)
    let numbers: [Double] = try wide.elements()
    guard numbers.allSatisfy(\.isFinite) else {
      throw GraftError.badData("the region \(numbers) is not finite")
    }
    regions = (0..<count).map { .init(start: numbers[$0], end: numbers[count + $0]) }
  }

  func outputShape(_ shape: [Dimension]) throws -> [Dimension] {
    var result = shape
    if let known = shape.knownShape {
      for (axis, resized) in try resizedAxes(known) { result[axis] = .known(resized.outputExtent) }
      _ = try result.knownShape?.checkedElementCount()
      return result
    }
    for (number, axis) in axes.enumerated() {
      if let sizes, method.policy == .stretch {
        result[axis] = .known(sizes[number])
      } else if let scale = scales?[number] {
        if scale != 1 { result[axis] = try shape[axis].map { try scaled($0, by: scale) } }
      } else {
        result[axis] = .unknown
      }
    }
    return result
  }

  /// Scales are floats, and so is the product, as in onnxruntime: 0.7 of 10 is 7.
  private func scaled(_ extent: Int, by scale: Float) throws -> Int {
    let product = (Float(extent) * scale).rounded(.down)
    guard product <= 0x1p48 else {
      throw GraftError.badData("scale \(scale) makes too much of an extent of \(extent)")
    }
    return Int(product)
  }

  /// The axes to resize, with their parameters.
  func resizedAxes(_ shape: Shape) throws -> [(axis: Int, resized: ResizedAxis)] {
    var result: [(axis: Int, resized: ResizedAxis)] = []
    var common: Double?
    if let sizes, method.policy != .stretch {
      let ratios = zip(axes, sizes).map { Double($1) / Double(shape[$0]) }
      common = method.policy == .not_larger ? ratios.min() : ratios.max()
    }
    for (number, axis) in axes.enumerated() {
      let extent = shape[axis]
      var output = 0
      var scale = 1.0
      if let scales {
        output = try scaled(extent, by: scales[number])
        scale = Double(scales[number])
      } else if let common {
        let exact = (common * Double(extent) + 0.5).rounded(.down)
        guard exact <= 0x1p48 else { throw tooLarge(axis, extent) }
        output = Int(exact)
        scale = common
      } else if let sizes {
        output = sizes[number]
        scale = Double(output) / Double(extent)
      }
      guard extent > 0 || output == 0 else { throw tooLarge(axis, extent) }
      // The filter is stretched by 1 / scale, which a region may make larger than the input.
      guard !method.isAntialiased || output == 0 || scale * Double(extent) >= 0.25 else {
        throw tooLarge(axis, extent)
      }
      result.append(
        (
          axis,
          ResizedAxis(
            inputExtent: extent, outputExtent: output, scale: scale, region: regions[number])
        ))
    }
    return result
  }

  private func tooLarge(_ axis: Int, _ extent: Int) -> GraftError {
    .badData("axis \(axis) of extent \(extent) cannot be resized like this")
  }
}

extension InferenceContext {
  /// Reads `roi`, `scales` and `sizes` from the inputs `first`, `first + 1` and `first + 2`.
  func resizeGeometry(_ method: ResizeMethod, first: Int, rank: Int) throws -> ResizeGeometry {
    func contents(_ index: Int) throws -> Tensor? {
      hasInput(index) ? try self.contents(index) : nil
    }
    if hasInput(first + 1) { try require(first + 1, [.float]) }
    if hasInput(first + 2) { try require(first + 2, [.int64]) }
    let isCropping = method.coordinates == .tf_crop_and_resize
    if isCropping, hasInput(first) { try require(first, [.float, .double, .float16]) }
    return try ResizeGeometry(
      method, roi: isCropping ? contents(first) : nil, scales: contents(first + 1),
      sizes: contents(first + 2), rank: rank)
  }
}

extension PrepareContext {
  /// Like in inference, which ensured that the contents are known.
  func resizeGeometry(_ method: ResizeMethod, first: Int, rank: Int) throws -> ResizeGeometry {
    try ResizeGeometry(
      method, roi: constant(first), scales: constant(first + 1), sizes: constant(first + 2),
      rank: rank)
  }
}
