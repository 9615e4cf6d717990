import GraftTensor

/// The elements of each output, and their division into parts.
struct ReductionPlan: Sendable {
  /// The outputs, by the position of their first element.
  let kept: StridedRows
  /// The elements of one output.
  let reduced: StridedRows
  let outputCount: Int
  /// The number of elements per output.
  let reducedCount: Int
  /// The outputs of one task.
  let outputsPerTask: Int
  /// The parts of an output's elements, if there are too few outputs for many tasks.
  let partCount: Int

  init(shape: Shape, axes: [Int]) {
    let strides = shape.denseStrides
    let isReduced = shape.indices.map { axes.contains($0) }
    func rows(_ included: (Int) -> Bool) -> StridedRows {
      let chosen = shape.indices.filter(included)
      return StridedRows(
        extents: chosen.map { shape[$0] }, strides: [chosen.map { strides[$0] }])
    }
    kept = rows { !isReduced[$0] }
    reduced = rows { isReduced[$0] }
    outputCount = kept.elementCount
    reducedCount = reduced.elementCount
    let elementsPerTask = 16384
    let fewest = kept.innerCount > 1 ? 256 : 1
    outputsPerTask = max(fewest, elementsPerTask / max(1, reducedCount))
    let taskCount = (outputCount + outputsPerTask - 1) / outputsPerTask
    let work = outputCount * reducedCount
    partCount =
      taskCount < 8 && work >= 8 * elementsPerTask
      ? min(64, reducedCount, work / (4 * elementsPerTask)) : 1
  }

  var taskCount: Int { (outputCount + outputsPerTask - 1) / outputsPerTask }

  func outputs(ofTask task: Int) -> Range<Int> {
    let start = task * outputsPerTask
    return start..<min(outputCount, start + outputsPerTask)
  }

  /// Calls `body` for each run of at most `limit` outputs in `range` whose first elements are
  /// `stride` apart, starting at `offset`. For outputs that are not adjacent in memory.
  @inline(__always)
  func forEachRun(
    in range: Range<Int>, limit: Int,
    _ body: (_ offset: Int, _ stride: Int, _ position: Int, _ count: Int) -> Void
  ) {
    let extent = kept.outerExtents.last ?? 1
    let stride = kept.outerStrides.last ?? 0
    var position = range.lowerBound
    while position < range.upperBound {
      var (rest, place) = position.quotientAndRemainder(dividingBy: extent)
      let count = min(limit, extent - place, range.upperBound - position)
      var offset = place * stride
      for axis in kept.outerExtents.indices.dropLast().reversed() {
        (rest, place) = rest.quotientAndRemainder(dividingBy: kept.outerExtents[axis])
        offset += place * kept.outerStrides[axis]
      }
      body(offset, stride, position, count)
      position += count
    }
  }

  func elements(ofPart part: Int) -> Range<Int> {
    let quotient = reducedCount / partCount
    let remainder = reducedCount % partCount
    let start = part * quotient + min(part, remainder)
    return start..<start + quotient + (part < remainder ? 1 : 0)
  }
}
