import CGraftKernels
import GraftExecution
import GraftTensor

/// Fills an output with elements of one input by a table per axis, from output index to input
/// index.
///
/// Used for nearest-neighbour resizing and padding with repeated elements.
struct AxisGather {
  /// For each axis, the input index of each output index; `nil` where there is none.
  let indices: [[Int?]]
  let inputShape: Shape
  /// The bytes of an element.
  let width: Int
  /// The element for output indices without an input index.
  let fill: Tensor
  let instructionSet: InstructionSet

  func kernel(input: Int = 0) -> PreparedKernel {
    var width = width
    var axisCount = indices.count
    // Unchanged trailing axes move as one wide element.
    while axisCount > 1, isWhole(axisCount - 1), width * inputShape[axisCount - 1] > 0,
      indices.joined().allSatisfy({ $0 != nil })
    {
      axisCount -= 1
      width *= inputShape[axisCount]
    }
    let strides = inputShape[..<axisCount].map { $0 }.denseStrides
    var offsets: [Int] = []
    for axis in 0..<axisCount {
      offsets += indices[axis].map { $0.map { $0 * strides[axis] * width } ?? -1 }
    }
    if axisCount == 0 { offsets = [0] }
    let extents = axisCount == 0 ? [1] : indices[..<axisCount].map(\.count)
    let rowCount = extents.dropLast().reduce(1, *)
    let rowBytes = (extents.last ?? 0) * width
    guard rowBytes > 0 else { return PreparedKernel(phases: []) }
    let kernels = instructionSet.kernels.pointee.resampling.pointee
    let rowMap = axisCount == 0 ? nil : rowMap(axisCount - 1, width, kernels.lane_count)
    return .parallel(count: rowCount, grain: max(1, (1 << 16) / rowBytes)) {
      [offsets, width, fill] arguments, range in
      extents.withUnsafeBufferPointer { extents in
        offsets.withUnsafeBufferPointer { offsets in
          func gather(_ rows: UnsafePointer<graft_movement_rows>?) {
            graft_movement_gather_axes(
              arguments.output(0), arguments.input(input), fill.baseAddress, width, extents.count,
              extents.baseAddress, offsets.baseAddress, rows, range.lowerBound, range.count)
          }
          guard let rowMap else { return gather(nil) }
          rowMap.withUnsafeMap { map in
            var rows = graft_movement_rows(pick_row: kernels.pick_row, map: map)
            gather(&rows)
          }
        }
      }
    }
  }

  /// The last axis, for rows of elements of `width` bytes, if vector instructions can pick them.
  private func rowMap(_ axis: Int, _ width: Int, _ laneCount: Int) -> LaneMap? {
    let inner = width / 4
    guard laneCount > 1, width % 4 == 0, inner > 0, inner < laneCount,
      indices[axis].allSatisfy({ $0 != nil })
    else { return nil }
    return LaneMap(
      AxisWeights(picking: indices[axis], from: inputShape[axis]), inner: inner,
      laneCount: laneCount)
  }

  private func isWhole(_ axis: Int) -> Bool {
    indices[axis].count == inputShape[axis]
      && indices[axis].enumerated().allSatisfy { $0.offset == $0.element }
  }
}
