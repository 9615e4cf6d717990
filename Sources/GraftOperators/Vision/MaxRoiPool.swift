import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The largest element of each bin of regions of interest, whose borders are rounded to elements.
///
/// Inputs: X `[N, C, H, W]`, regions `[R, 5]` as image, x1, y1, x2, y2. Output `[R, C, height,
/// width]`. A bin without elements gives 0. A bin may share elements with the next one, as in the
/// paper's implementation and onnxruntime; the specification does not say.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html>
struct MaxRoiPool: Operator {
  static let schema = OperatorSchema("MaxRoiPool", since: [1, 22], sameSince: 1, inputs: 2...2)
  static let isLaborious = true

  private let bins: RoiBins

  init(_ attributes: AttributeReader) throws { bins = try RoiBins(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    context.setOutput(0, elementType, try bins.outputShape(context, first: 0))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let bins = bins
    let (images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let planes = try context.input(1).shape[0] * channels
    return PreparedKernel.parallel(
      count: planes, grain: max(1, 4096 / max(1, height * width))
    ) { arguments, range in
      for plane in range {
        let (index, channel) = plane.quotientAndRemainder(dividingBy: channels)
        let region = try bins.region(
          arguments.input(1, as: Element.self) + 5 * index, images: images)
        let x =
          arguments.input(0, as: Element.self)
          + (region.image * channels + channel) * height * width
        let y = arguments.output(0, as: Element.self) + plane * bins.count
        for bin in 0..<bins.count {
          y[bin] = bins.indexOfLargest(x, region, bin, height, width).map { x[$0] } ?? 0
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "MaxRoiPoolGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0), try builder.input(1)],
        attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two regions",
        attributes: ["pooled_shape": .ints([2, 2]), "spatial_scale": .float(0.5)],
        inputs: [
          .floats((0..<24).map { Float(($0 * 7) % 25) - 4 }, [2, 1, 3, 4]),
          .floats([1, 0, 0, 6, 4, 0, 3, 1, 20, 3], [2, 5]),
        ],
        outputs: [.floats([15, 19, 18, 7, 20, 0, 16, 0], [2, 1, 2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outside of the input", attributes: ["pooled_shape": .ints([1, 1])],
        inputs: [.floats([-1, -2], [1, 1, 1, 2]), .floats([0, 5, 5, 6, 6], [1, 5])],
        outputs: [.floats([0], [1, 1, 1, 1])]),
    ]
  }
}

/// The attributes of MaxRoiPool, and how it divides regions.
struct RoiBins: Sendable {
  private let rows: Int
  private let columns: Int
  private let scale: Float

  init(_ attributes: AttributeReader) throws {
    let extents = try attributes.required("pooled_shape", attributes.ints("pooled_shape"))
    guard extents.count == 2, extents.allSatisfy({ (1...(1 << 24)).contains($0) }) else {
      throw GraftError.badData("attribute 'pooled_shape' is \(extents); expected two extents")
    }
    (rows, columns) = (extents[0], extents[1])
    scale = try attributes.float("spatial_scale", default: 1)
  }

  var count: Int { rows * columns }

  /// The output's shape, with X in input `first` and the regions after it.
  func outputShape(_ context: InferenceContext, first: Int) throws -> [Dimension] {
    let (x, regions) = (try context.shape(first), try context.shape(first + 1))
    guard x.count == 4, regions.count == 2, regions[1].isCompatible(with: 5) else {
      throw GraftError.badData("shapes \(x) and \(regions); expected [N, C, H, W] and [regions, 5]")
    }
    return [regions[0], x[1], .known(rows), .known(columns)]
  }

  struct Region {
    let image: Int
    let left: Int
    let top: Int
    let width: Int
    let height: Int
  }

  /// - Throws: `GraftError` if a number is not finite or much too large
  func region<Element: RealElement>(
    _ numbers: UnsafePointer<Element>, images: Int
  ) throws -> Region {
    func rounded(_ index: Int) throws -> Int {
      let number = (numbers[index] * Element(scale)).rounded(.toNearestOrAwayFromZero)
      guard number.magnitude < 0x1p40 else {
        throw GraftError.badData("a region's coordinate is \(numbers[index])")
      }
      return Int(number)
    }
    guard numbers[0] >= 0, numbers[0] < Element(images) else {
      throw GraftError.badData("a region is of image \(numbers[0]); there are \(images)")
    }
    let (left, top) = (try rounded(1), try rounded(2))
    let (right, bottom) = (try rounded(3), try rounded(4))
    return Region(
      image: Int(numbers[0]), left: left, top: top, width: max(1, right - left + 1),
      height: max(1, bottom - top + 1))
  }

  /// The index of a bin's first largest element in the plane; `nil` if the bin is empty.
  func indexOfLargest<Element: RealElement>(
    _ x: UnsafePointer<Element>, _ region: Region, _ bin: Int, _ height: Int, _ width: Int
  ) -> Int? {
    let (row, column) = bin.quotientAndRemainder(dividingBy: columns)
    func range(_ index: Int, of count: Int, start: Int, length: Int, extent: Int) -> Range<Int> {
      let size = Element(length) / Element(count)
      let first = Int((Element(index) * size).rounded(.down)) + start
      let end = Int((Element(index + 1) * size).rounded(.up)) + start
      let low = min(max(first, 0), extent)
      return low..<max(low, min(max(end, 0), extent))
    }
    var best: Int?
    for y in range(row, of: rows, start: region.top, length: region.height, extent: height) {
      for x0 in range(
        column, of: columns, start: region.left, length: region.width, extent: width)
      {
        let index = y * width + x0
        // Only NaN differs from itself.
        if let found = best, !(x[index] > x[found] || x[index] != x[index]) { continue }
        best = index
      }
    }
    return best
  }
}
