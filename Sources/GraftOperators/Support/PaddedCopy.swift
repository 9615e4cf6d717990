import GraftTensor

/// Copies a tensor into a larger or smaller one, padded with a constant.
struct PaddedCopy {
  let inputShape: Shape
  /// The elements to add before and after each axis; negative amounts are removed.
  let begins: [Int]
  let ends: [Int]
  let width: Int
  /// One element.
  let fill: ElementCopy.Source

  /// Copies that write each output element once: the input, then the surrounding slabs, axis by
  /// axis.
  func copies() -> [ElementCopy] {
    let rank = inputShape.count
    let outputShape = (0..<rank).map { inputShape[$0] + begins[$0] + ends[$0] }
    let sourceStrides = inputShape.denseStrides
    let strides = outputShape.denseStrides
    let kept = (0..<rank).map { inputShape[$0] + min(0, begins[$0]) + min(0, ends[$0]) }
    let firsts = begins.map { max(0, $0) }
    func copy(
      from source: ElementCopy.Source, _ extents: Shape, at places: [Int], strides from: [Int],
      sourceOffset: Int = 0
    ) -> ElementCopy {
      ElementCopy(
        from: source, width: width,
        axes: (0..<rank).map {
          .init(extent: extents[$0], sourceStride: from[$0], destinationStride: strides[$0])
        }, sourceOffset: sourceOffset,
        destinationOffset: zip(places, strides).reduce(0) { $0 + $1.0 * $1.1 })
    }
    let sourceOffset = (0..<rank).reduce(0) { $0 + max(0, -begins[$1]) * sourceStrides[$1] }
    var copies = [
      copy(
        from: .input(0), kept, at: firsts, strides: sourceStrides, sourceOffset: sourceOffset)
    ]
    let still = Array(repeating: 0, count: rank)
    for axis in 0..<rank {
      // Earlier axes cover the input's part, later ones the whole output.
      var extents = Array(kept[..<axis]) + outputShape[axis...]
      var places = Array(firsts[..<axis]) + still[axis...]
      extents[axis] = firsts[axis]
      copies.append(copy(from: fill, extents, at: places, strides: still))
      extents[axis] = max(0, ends[axis])
      places[axis] = firsts[axis] + kept[axis]
      copies.append(copy(from: fill, extents, at: places, strides: still))
    }
    return copies.filter { $0.byteCount > 0 }
  }
}
