import GraftFiles
import GraftGraph
import GraftTensor

/// Which elements of a tensor share a scale and a zero point: all, those at one place of an axis,
/// or those in one block along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>
struct QuantizationGranularity: Sendable {
  private enum Kind {
    case tensor
    case axis
    /// The extent of a block.
    case blocks(Int)
  }

  private let kind: Kind
  private let axis: Int
  /// The extent of the axis, and the elements between neighbours along it.
  private let extent: Int
  private let inner: Int
  let elementCount: Int
  /// The number of scales.
  let scaleCount: Int

  /// - Parameters:
  ///   - shape: the shape of the tensor
  ///   - scale: the shape of the scales
  ///   - blockSize: 0 where the scales are not those of blocks
  /// - Throws: `GraftError` if the shapes do not fit
  init(_ shape: Shape, scale: Shape, axis: Int, blockSize: Int) throws {
    elementCount = try shape.checkedElementCount()
    scaleCount = try scale.checkedElementCount()
    if scaleCount == 1 {
      kind = .tensor
      self.axis = 0
      extent = 1
      inner = 1
      return
    }
    // The axis does not matter for a tensor of one axis.
    let axis = shape.count == 1 ? 0 : try normalizedAxis(axis, rank: shape.count)
    self.axis = axis
    extent = shape[axis]
    inner = shape[(axis + 1)...].reduce(1, *)
    if blockSize == 0 {
      guard scale == [shape[axis]] else {
        throw GraftError.badData(
          "scales of shape \(scale) do not fit axis \(axis) of the shape \(shape)",
          hint: scale.count == shape.count ? "Scales of blocks need the attribute block_size" : nil)
      }
      kind = .axis
      return
    }
    var expected = shape
    expected[axis] = (shape[axis] + blockSize - 1) / blockSize
    guard scale == expected else {
      throw GraftError.badData(
        "scales of shape \(scale) do not fit blocks of \(blockSize) along axis \(axis) of the "
          + "shape \(shape); expected \(expected)")
    }
    kind = .blocks(blockSize)
  }

  /// The steps between scales along the two axes of a matrix: place `i` of an axis has the scale at
  /// i / block · stride, added for both.
  struct MatrixStrides: Sendable {
    var rowBlock = 1
    var rowStride = 0
    var columnBlock = 1
    var columnStride = 0
  }

  /// The steps of a tensor of two axes.
  var matrixStrides: MatrixStrides {
    let isRow = axis == 0
    let columns = isRow ? inner : extent
    switch kind {
    case .tensor: return MatrixStrides()
    case .axis: return isRow ? MatrixStrides(rowStride: 1) : MatrixStrides(columnStride: 1)
    case .blocks(let size) where isRow:
      return MatrixStrides(rowBlock: size, rowStride: columns, columnStride: 1)
    case .blocks(let size):
      return MatrixStrides(
        rowStride: (columns + size - 1) / size, columnBlock: size, columnStride: 1)
    }
  }

  /// Calls `body` for runs of adjacent elements: with the position of the first one, their number,
  /// the index of the first scale, and 1 if each element has its own scale, 0 if all share one.
  func forEachRun(
    in range: Range<Int>, _ body: (_ position: Int, _ count: Int, _ scale: Int, _ step: Int) -> Void
  ) {
    var position = range.lowerBound
    while position < range.upperBound {
      let left = range.upperBound - position
      var count = left
      switch kind {
      case .tensor: body(position, count, 0, 0)
      case .axis where inner == 1:
        let place = position % extent
        count = min(left, extent - place)
        body(position, count, place, 1)
      case .axis:
        count = min(left, inner - position % inner)
        body(position, count, position / inner % extent, 0)
      case .blocks(let size):
        let blocks = (extent + size - 1) / size
        let (row, column) = position.quotientAndRemainder(dividingBy: inner)
        let (outer, place) = row.quotientAndRemainder(dividingBy: extent)
        let scale = (outer * blocks + place / size) * inner + column
        count =
          inner == 1
          ? min(left, min(size - place % size, extent - place)) : min(left, inner - column)
        body(position, count, scale, inner == 1 ? 0 : 1)
      }
      position += count
    }
  }
}

/// The attributes `axis` and `block_size`.
struct QuantizationAxis: Sendable {
  let axis: Int
  let blockSize: Int

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 1)
    blockSize = try attributes.int("block_size", default: 0)
    guard (0...1 << 48).contains(blockSize) else {
      throw GraftError.badData("attribute 'block_size' is \(blockSize)")
    }
  }

  func granularity(_ shape: Shape, scale: Shape) throws -> QuantizationGranularity {
    try QuantizationGranularity(shape, scale: scale, axis: axis, blockSize: blockSize)
  }

  /// Checks input 0, the scales in input 1 and the zero points in input 2, as far as their shapes
  /// are known.
  func check(_ context: InferenceContext) throws {
    let shape = try context.input(0).shape?.knownShape
    let scale = try context.input(1).shape?.knownShape
    if let shape, let scale { _ = try granularity(shape, scale: scale) }
    guard context.hasInput(2), let scale,
      let zeroPoint = try context.input(2).shape?.knownShape
    else { return }
    let isSame = zeroPoint == scale || zeroPoint.elementCount == 1 && scale.elementCount == 1
    guard isSame else {
      throw GraftError.badData(
        "the zero points have shape \(zeroPoint), the scales \(scale); expected the same")
    }
  }
}
