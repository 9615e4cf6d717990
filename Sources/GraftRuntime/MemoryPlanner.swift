import GraftPasses

/// Lays out buffers of known sizes and lifetimes in one arena.
///
/// Greedy by size: the largest buffer first, each at the lowest offset where nothing that lives at the same
/// time lies. Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
/// <https://arxiv.org/abs/2001.03288>.
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
      let neighbours = placed.lazy
        .filter { $0.lifetime.overlaps(buffer.lifetime) }
        .map(\.range).sorted { $0.lowerBound < $1.lowerBound }
      var offset = 0
      for range in neighbours {
        if offset + byteCount <= range.lowerBound { break }
        offset = max(offset, range.upperBound)
      }
      offsets[index] = offset
      guard offset + byteCount <= largestArena else { throw tooLarge }
      placed.append((offset..<offset + byteCount, buffer.lifetime))
      arenaByteCount = max(arenaByteCount, offset + byteCount)
    }
    return (offsets, arenaByteCount)
  }

  /// Sums of two sizes up to this fit into an `Int`.
  private static let largestArena = Int.max / 4

  private static var tooLarge: GraftError {
    GraftError(.operatingSystem, "the model needs too much memory")
  }
}
