import CGraftKernels

extension PreparedKernel {
  /// Fills output 0 with rows of `rowBytes` from input 0, each from where `offsets` says.
  ///
  /// Row `r` comes from slab `r / offsets.count`, `slabBytes` further on each, at offset `r % offsets.count`.
  static func gathering(
    _ offsets: IndexOffsets, slabCount: Int = 1, slabBytes: Int = 0, rowBytes: Int
  ) -> PreparedKernel {
    let offsetCount = offsets.count
    guard offsetCount > 0, rowBytes > 0 else { return PreparedKernel(phases: [offsets.phase()]) }
    return PreparedKernel(
      phases: [
        offsets.phase(),
        .parallel(count: slabCount * offsetCount, grain: max(1, (1 << 16) / rowBytes)) {
          arguments, rows in
          graft_movement_gather_rows(
            arguments.output(0), arguments.input(0),
            arguments.scratch?.assumingMemoryBound(to: Int.self), offsetCount, slabBytes, rowBytes,
            rows.lowerBound, rows.count)
        },
      ], scratchByteCount: offsets.byteCount)
  }
}
