import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The decoded inputs `starts`, `ends`, `axes` and `steps` of Slice.
struct SliceRanges {
  struct Range {
    let axis: Int
    let start: Int
    let end: Int
    let step: Int
  }

  /// Part of a tensor: `shape` elements from `offset` on, `strides` apart.
  struct View {
    var shape: Shape
    var strides: [Int]
    var offset: Int
  }

  let ranges: [Range]

  /// - Throws: `GraftError` if the numbers of starts, ends, axes and steps differ, an axis is
  ///   invalid, or a step is 0
  init(starts: [Int], ends: [Int], axes: [Int]?, steps: [Int]?, rank: Int) throws {
    guard starts.count <= rank || axes != nil else {
      throw GraftError.badData("has \(starts.count) starts for an input of rank \(rank)")
    }
    let axes = try normalizedAxes(axes ?? Array(starts.indices), rank: rank)
    let steps = steps ?? Array(repeating: 1, count: starts.count)
    guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count
    else {
      throw GraftError.badData(
        "has \(starts.count) starts, \(ends.count) ends, \(axes.count) axes and "
          + "\(steps.count) steps"
      )
    }
    guard !steps.contains(0) else { throw GraftError.badData("a step is 0") }
    ranges = axes.indices.map {
      Range(axis: axes[$0], start: starts[$0], end: ends[$0], step: steps[$0])
    }
  }

  /// Reads the contents of `starts`, `ends`, `axes` and `steps` from input `firstInput` on.
  init(_ context: PrepareContext, firstInput: Int, rank: Int) throws {
    try self.init(
      starts: context.integers(firstInput) ?? [], ends: context.integers(firstInput + 1) ?? [],
      axes: context.integers(firstInput + 2), steps: context.integers(firstInput + 3), rank: rank)
  }

  func view(of shape: Shape) -> View {
    var view = View(shape: shape, strides: shape.denseStrides, offset: 0)
    for range in ranges {
      let (first, count) = range.resolved(in: shape[range.axis])
      view.offset += count > 0 ? first * view.strides[range.axis] : 0
      view.shape[range.axis] = count
      // A step is only used, and only smaller than the extent, if there is a second element.
      if count > 1 { view.strides[range.axis] *= range.step }
    }
    return view
  }
}

extension SliceRanges.Range {
  /// The first index and the number of indices in an axis of this extent.
  func resolved(in extent: Int) -> (first: Int, count: Int) {
    func counted(_ index: Int) -> Int { index < 0 ? index + extent : index }
    if step > 0 {
      let first = max(0, min(counted(start), extent))
      let last = max(0, min(counted(end), extent))
      return (first, last > first ? (last - first - 1) / step + 1 : 0)
    }
    let first = max(0, min(counted(start), extent - 1))
    let last = max(-1, min(counted(end), extent - 1))
    guard first > last, extent > 0 else { return (0, 0) }
    return (first, Int(UInt(first - last - 1) / step.magnitude) + 1)
  }

  /// The extent of the result.
  func extent(of dimension: Dimension) -> Dimension {
    if let extent = dimension.known { return .known(resolved(in: extent).count) }
    let isWhole = start == 0 && step == 1 && end >= Int(Int32.max)
    return isWhole ? dimension : .unknown
  }
}
