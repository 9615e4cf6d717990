import CGraftKernels
import GraftExecution

extension PreparedKernel {
  /// Fills output 0 with rows of `rowBytes` from input 0, each at the position in `offsets`.
  ///
  /// Row `r` comes from slab `r / offsets.count`, which are `slabBytes` apart, at offset `r %
  /// offsets.count`.
  static func gathering(
    _ offsets: IndexOffsets, slabCount: Int = 1, slabBytes: Int = 0, rowBytes: Int
  ) -> PreparedKernel {
    .gathering(
      offsets.phase(), offsetCount: offsets.count, slabCount: slabCount, slabBytes: slabBytes,
      rowBytes: rowBytes)
  }

  /// The same, with offsets that a separate phase writes to the start of the scratch memory.
  static func gathering(
    _ offsets: Phase, offsetCount: Int, slabCount: Int = 1, slabBytes: Int = 0, rowBytes: Int
  ) -> PreparedKernel {
    let scratchByteCount = offsetCount * MemoryLayout<Int>.stride
    guard offsetCount > 0, rowBytes > 0 else {
      // Indices are checked even if nothing moves.
      return PreparedKernel(phases: [offsets], scratchByteCount: scratchByteCount)
    }
    return PreparedKernel(
      phases: [
        offsets,
        .parallel(count: slabCount * offsetCount, grain: max(1, (1 << 16) / rowBytes)) {
          arguments, rows in
          graft_movement_gather_rows(
            arguments.output(0), arguments.input(0),
            arguments.scratch?.assumingMemoryBound(to: Int.self), offsetCount, slabBytes, rowBytes,
            rows.lowerBound, rows.count)
        },
      ], scratchByteCount: scratchByteCount)
  }
}
