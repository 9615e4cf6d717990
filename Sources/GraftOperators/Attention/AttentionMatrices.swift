import GraftTensor

/// The matrices of an operand, one for each place of the leading axes. Steps are in elements.
struct AttentionMatrices: Sendable {
  /// The step along each leading axis; 0 repeats a matrix.
  var strides: [Int]
  var rowStride: Int
  var columnStride = 1
  /// Where the first one starts.
  var start = 0

  /// Of `[N, heads, rows, size]`, or of `[N, rows, heads · size]`. The heads are two axes, as
  /// `sharing` heads of queries share one of keys.
  init(heads: Int, sharing: Int = 1, rows: Int, size: Int, isPacked: Bool) {
    let headStride = isPacked ? size : rows * size
    strides = [heads * sharing * rows * size, sharing * headStride, headStride]
    rowStride = isPacked ? heads * sharing * size : size
  }

  init(strides: [Int], rowStride: Int, columnStride: Int, start: Int = 0) {
    self.strides = strides
    self.rowStride = rowStride
    self.columnStride = columnStride
    self.start = start
  }

  /// The matrices of a tensor, whose axes are those of `order`. An axis of extent 1 is repeated.
  ///
  /// - Parameters:
  ///   - start: the number of the first element
  ///   - extents: those of the leading axes, which the tensor may have fewer of
  init(_ shape: Shape, order: [Int], start: Int = 0, extents: [Int]) {
    let steps = shape.denseStrides
    let rank = order.count
    var strides = [Int](repeating: 0, count: extents.count)
    for (axis, from) in order.dropLast(2).enumerated() where shape[from] != 1 {
      strides[extents.count - (rank - 2) + axis] = steps[from]
    }
    let (row, column) = (order[rank - 2], order[rank - 1])
    self.init(
      strides: strides, rowStride: shape[row] == 1 ? 0 : steps[row],
      // Never repeated; one of the two steps is 1.
      columnStride: row == shape.count - 1 ? steps[column] : 1, start: start)
  }

  /// Takes the places of an axis in groups of `count` neighbors, which become an axis of their own.
  ///
  /// - Parameter isShared: whether neighbors are one matrix, so that the axis has one for each
  ///   group
  mutating func group(_ axis: Int, by count: Int, isShared: Bool = false) {
    let step = strides[axis]
    strides[axis] = isShared ? step : step * count
    strides.insert(isShared ? 0 : step, at: axis + 1)
  }

  /// The same matrix for all heads that share it.
  var shared: AttentionMatrices {
    var matrices = self
    matrices.strides[2] = 0
    return matrices
  }

  /// Where the matrix with this number starts.
  func offset(_ number: Int, _ extents: [Int]) -> Int {
    var (rest, offset) = (number, start)
    for axis in extents.indices.reversed() {
      let (quotient, place) = rest.quotientAndRemainder(dividingBy: extents[axis])
      offset += place * strides[axis]
      rest = quotient
    }
    return offset
  }
}
