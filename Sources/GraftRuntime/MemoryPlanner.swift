import GraftPasses

/// Lays out buffers of known sizes and lifetimes in one arena.
///
/// Greedy by size: the largest buffer first, each at the lowest offset where nothing that lives at
/// the same time lies. Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
/// Inference", <https://arxiv.org/abs/2001.03288>.
package struct MemoryPlanner {
  /// A buffer and the steps, first to last, during which it is in use.
  package struct Buffer: Sendable {
    package var byteCount: Int
    package var lifetime: ClosedRange<Int>

    package init(byteCount: Int, lifetime: ClosedRange<Int>) {
      self.byteCount = byteCount
      self.lifetime = lifetime
    }
  }

  /// Where each buffer lies, and how large the arena is; all offsets are multiples of 64.
  package static func layOut(_ buffers: [Buffer]) throws -> (offsets: [Int], byteCount: Int) {
    var offsets = [Int](repeating: 0, count: buffers.count)
    // By offset; those at the same offset do not live at the same time.
    var placed: [(range: Range<Int>, lifetime: ClosedRange<Int>)] = []
    var arenaByteCount = 0
    let order = buffers.indices.sorted {
      let (left, right) = (buffers[$0], buffers[$1])
      if left.byteCount != right.byteCount { return left.byteCount > right.byteCount }
      return $0 < $1
    }
    for index in order {
      let buffer = buffers[index]
      guard (0...largestArena).contains(buffer.byteCount) else { throw tooLarge }
      let byteCount = (buffer.byteCount + Storage.alignment - 1) & ~(Storage.alignment - 1)
      guard byteCount > 0 else { continue }
      var offset = 0
      for neighbour in placed where neighbour.lifetime.overlaps(buffer.lifetime) {
        if offset + byteCount <= neighbour.range.lowerBound { break }
        offset = max(offset, neighbour.range.upperBound)
      }
      offsets[index] = offset
      guard offset + byteCount <= largestArena else { throw tooLarge }
      let place = firstIndex(in: placed, atOrAfter: offset)
      placed.insert((offset..<offset + byteCount, buffer.lifetime), at: place)
      arenaByteCount = max(arenaByteCount, offset + byteCount)
    }
    return (offsets, arenaByteCount)
  }

  private static func firstIndex(
    in placed: [(range: Range<Int>, lifetime: ClosedRange<Int>)], atOrAfter offset: Int
  ) -> Int {
    var (low, high) = (0, placed.count)
    while low < high {
      let middle = (low + high) / 2
      if placed[middle].range.lowerBound < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Sums of two sizes up to this fit into an `Int`.
  private static let largestArena = Int.max / 4

  private static var tooLarge: GraftError {
    GraftError(.operatingSystem, "the model needs too much memory")
  }
}
