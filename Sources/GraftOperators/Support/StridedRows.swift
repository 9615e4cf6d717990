import GraftTensor

/// The elements that a kernel visits in one or several operands, as rows of contiguous or repeated
/// elements.
///
/// Axes of extent 1 are dropped, and axes that follow each other in the memory of every operand are
/// merged, so that most kernels see a single row, or few and long ones.
struct StridedRows: Sendable {
  /// Extents of the axes around a row.
  let outerExtents: [Int]
  /// `outerStrides[operand * outerExtents.count + axis]`, in elements.
  let outerStrides: [Int]
  /// Elements of a row.
  let innerCount: Int
  /// For each operand: 1 if it advances along a row, 0 if it stays on one element.
  let innerStrides: [Int]

  /// Visits `extents` in row-major order.
  ///
  /// - Parameter strides: for each operand, the elements to step over along each axis
  init(extents: Shape, strides: [[Int]]) {
    var mergedExtents: [Int] = []
    var mergedStrides = [[Int]](repeating: [], count: strides.count)
    for axis in extents.indices.reversed() where extents[axis] != 1 {
      let continues =
        mergedExtents.last.map { extent in
          strides.indices.allSatisfy {
            strides[$0][axis] == (mergedStrides[$0].last ?? 0) * extent
          }
        } ?? false
      if continues {
        mergedExtents[mergedExtents.count - 1] *= extents[axis]
      } else {
        mergedExtents.append(extents[axis])
        for operand in strides.indices { mergedStrides[operand].append(strides[operand][axis]) }
      }
    }
    let hasRows =
      !mergedExtents.isEmpty
      && mergedStrides.allSatisfy { $0.first.map { $0 == 0 || $0 == 1 } ?? false }
    if hasRows {
      innerCount = mergedExtents.removeFirst()
      innerStrides = mergedStrides.indices.map { mergedStrides[$0].removeFirst() }
    } else {
      innerCount = 1
      innerStrides = [Int](repeating: 1, count: strides.count)
    }
    outerExtents = mergedExtents.reversed()
    outerStrides = mergedStrides.flatMap { $0.reversed() }
  }

  /// Visits the elements of `output`, to which dense operands of the shapes `operands` are
  /// broadcast.
  init(broadcasting operands: [Shape], to output: Shape) {
    self.init(
      extents: output,
      strides: operands.map { shape in
        let dense = shape.denseStrides
        let missing = output.count - shape.count
        return output.indices.map { axis in
          axis < missing || shape[axis - missing] == 1 ? 0 : dense[axis - missing]
        }
      })
  }

  var elementCount: Int { outerExtents.reduce(innerCount, *) }

  /// Calls `body` for each row, or part of one, among the visited elements `range`.
  ///
  /// `offsets` says for each operand at which element the row starts; `position` is the place of
  /// its first element among all that are visited.
  @inline(__always)
  func forEachRow(
    in range: Range<Int>,
    _ body: (_ offsets: UnsafePointer<Int>, _ position: Int, _ count: Int) throws -> Void
  ) rethrows {
    guard !range.isEmpty else { return }
    let rank = outerExtents.count
    let operandCount = innerStrides.count
    try withUnsafeTemporaryAllocation(of: Int.self, capacity: rank + operandCount) { memory in
      guard let offsets = memory.baseAddress else { return }
      let index = offsets + operandCount
      var row = range.lowerBound / innerCount
      var column = range.lowerBound % innerCount
      for operand in 0..<operandCount { offsets[operand] = column * innerStrides[operand] }
      for axis in stride(from: rank - 1, through: 0, by: -1) {
        index[axis] = row % outerExtents[axis]
        row /= outerExtents[axis]
        for operand in 0..<operandCount {
          offsets[operand] += index[axis] * outerStrides[operand * rank + axis]
        }
      }
      var position = range.lowerBound
      while true {
        let count = min(innerCount - column, range.upperBound - position)
        try body(offsets, position, count)
        position += count
        guard position < range.upperBound else { return }
        if column > 0 {
          for operand in 0..<operandCount { offsets[operand] -= column * innerStrides[operand] }
          column = 0
        }
        advance(index, offsets)
      }
    }
  }

  /// Moves to the next row.
  private func advance(_ index: UnsafeMutablePointer<Int>, _ offsets: UnsafeMutablePointer<Int>) {
    let rank = outerExtents.count
    let operandCount = innerStrides.count
    outerExtents.withUnsafeBufferPointer { extents in
      outerStrides.withUnsafeBufferPointer { strides in
        var axis = rank - 1
        while axis >= 0 {
          index[axis] += 1
          let isDone = index[axis] < extents[axis]
          let steps = isDone ? 1 : 1 - extents[axis]
          for operand in 0..<operandCount {
            offsets[operand] += steps * strides[operand * rank + axis]
          }
          if isDone { return }
          index[axis] = 0
          axis -= 1
        }
      }
    }
  }
}
