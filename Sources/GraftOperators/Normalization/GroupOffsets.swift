import GraftTensor

/// Divides a tensor into groups that differ in the kept axes, and contain all indices of the
/// reduced ones. A group consists of contiguous segments.
struct GroupOffsets: Sendable {
  let groupCount: Int
  let segmentCount: Int
  /// The length of contiguous elements in the same group.
  let segmentLength: Int
  private let kept: Axes
  private let reduced: Axes

  /// Extents and strides of some axes.
  private struct Axes {
    var extents: [Int] = []
    var strides: [Int] = []

    /// The offset of the `index`th combination of indices.
    func offset(_ index: Int) -> Int {
      var rest = index
      var offset = 0
      for axis in extents.indices.reversed() {
        offset += rest % extents[axis] * strides[axis]
        rest /= extents[axis]
      }
      return offset
    }
  }

  init(shape: Shape, reduced reducedAxes: Set<Int>) {
    let strides = shape.denseStrides
    var firstOfSegment = shape.count
    while firstOfSegment > 0, reducedAxes.contains(firstOfSegment - 1) { firstOfSegment -= 1 }
    segmentLength = shape[firstOfSegment...].reduce(1, *)
    var kept = Axes()
    var reduced = Axes()
    for axis in 0..<firstOfSegment {
      if reducedAxes.contains(axis) {
        reduced.extents.append(shape[axis])
        reduced.strides.append(strides[axis])
      } else {
        kept.extents.append(shape[axis])
        kept.strides.append(strides[axis])
      }
    }
    // An empty tensor has no groups.
    groupCount = shape.contains(0) ? 0 : kept.extents.reduce(1, *)
    segmentCount = reduced.extents.reduce(1, *)
    self.kept = kept
    self.reduced = reduced
  }

  /// Calls `body` with the offset of each segment of a group, in ascending order.
  func forEachSegment(of group: Int, _ body: (_ start: Int) -> Void) {
    let base = kept.offset(group)
    for segment in 0..<segmentCount { body(base + reduced.offset(segment)) }
  }
}
