import GraftExecution
import GraftFiles
import GraftTensor

/// Rows in scratch memory for each direction, time and sequence.
struct RecurrentRows: Sendable {
  private let offset: Int
  /// The distance between two rows, in elements.
  let stride: Int
  private let width: Int
  private let directionRows: Int
  private let timeRows: Int
  private let sequenceRows: Int

  /// - Parameters:
  ///   - times: the number of times
  ///   - isBatchFirst: whether the times of a sequence follow each other, as in X with layout 1
  init(
    _ layout: RecurrentLayout, stride: Int, times: Int, isBatchFirst: Bool,
    scratch: inout ScratchLayout
  ) throws {
    let shape = layout.shape
    offset = try scratch.reserve(
      [shape.directions, times, shape.batch, stride], of: layout.elementType)
    self.stride = stride
    width = layout.width
    directionRows = times * shape.batch
    timeRows = isBatchFirst ? 1 : shape.batch
    sequenceRows = isBatchFirst ? times : 1
  }

  /// The distance between the rows of two sequences, in elements.
  var sequenceStride: Int { sequenceRows * stride }

  func address(
    _ scratch: UnsafeMutableRawPointer, direction: Int, time: Int = 0, sequence: Int = 0
  ) -> UnsafeMutableRawPointer {
    let row = direction * directionRows + time * timeRows + sequence * sequenceRows
    return scratch + offset + row * stride * width
  }

  /// The rows of a sequence, or all rows if there is one segment.
  func segment(
    _ scratch: UnsafeMutableRawPointer, direction: Int, segment: Int
  ) -> UnsafeMutableRawPointer {
    address(scratch, direction: direction, sequence: segment)
  }
}
