import GraftFiles

/// Lays out buffers of known sizes and lifetimes in one arena.
///
/// Greedy by size: largest buffer first, each at the lowest offset that does not overlap a buffer
/// with an overlapping lifetime. Source: Pisarchyk and Lee, "Efficient Memory Management for Deep
/// Neural Net Inference", <https://arxiv.org/abs/2001.03288>.
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

  /// The offset of each buffer, a multiple of 64, and the size of the arena.
  package static func layOut(_ buffers: [Buffer]) throws -> (offsets: [Int], byteCount: Int) {
    var offsets = [Int](repeating: 0, count: buffers.count)
    var placed = PlacedBuffers()
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
      let offset = placed.lowestGap(byteCount, during: buffer.lifetime)
      offsets[index] = offset
      guard offset + byteCount <= largestArena else { throw tooLarge }
      placed.insert(offset..<offset + byteCount, during: buffer.lifetime)
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

/// Placed buffers, and the gaps between them.
///
/// Most buffers live for a few steps, among few others, and are found by their steps. Where many
/// live at the same time, a sorted list of all is used.
private struct PlacedBuffers {
  private struct Item {
    let range: Range<Int>
    let lifetime: ClosedRange<Int>
  }

  private static let longestListed = 32
  private static let mostListed = 128

  private var items: [Item] = []
  /// The indices in `items` of short-lived buffers, by step.
  private var bySteps: [Int: [Int]] = [:]
  /// The indices in `items` of the other buffers.
  private var longLived: [Int] = []
  /// All items by offset; created on first use.
  private var sorted: [Item]?

  mutating func insert(_ range: Range<Int>, during lifetime: ClosedRange<Int>) {
    let item = Item(range: range, lifetime: lifetime)
    if lifetime.count <= Self.longestListed {
      for step in lifetime { bySteps[step, default: []].append(items.count) }
    } else {
      longLived.append(items.count)
    }
    items.append(item)
    guard let count = sorted?.count else { return }
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if sorted![middle].range.lowerBound < range.lowerBound {
        low = middle + 1
      } else {
        high = middle
      }
    }
    sorted!.insert(item, at: low)
  }

  /// The lowest offset with `byteCount` free bytes during all of `lifetime`.
  mutating func lowestGap(_ byteCount: Int, during lifetime: ClosedRange<Int>) -> Int {
    if let neighbours = listed(during: lifetime) {
      return Self.lowestGap(byteCount, between: neighbours)
    }
    if sorted == nil { sorted = items.sorted { $0.range.lowerBound < $1.range.lowerBound } }
    return Self.lowestGap(
      byteCount, between: (sorted ?? []).lazy.filter { $0.lifetime.overlaps(lifetime) })
  }

  private static func lowestGap(
    _ byteCount: Int, between neighbours: some Sequence<Item>
  ) -> Int {
    var offset = 0
    for neighbour in neighbours {
      if offset + byteCount <= neighbour.range.lowerBound { break }
      offset = max(offset, neighbour.range.upperBound)
    }
    return offset
  }

  /// The items that live during `lifetime`, by offset; `nil` if there are too many.
  private func listed(during lifetime: ClosedRange<Int>) -> [Item]? {
    guard lifetime.count <= Self.longestListed else { return nil }
    var count = longLived.count
    for step in lifetime { count += bySteps[step]?.count ?? 0 }
    guard count <= Self.mostListed else { return nil }
    var found = longLived.map { items[$0] }.filter { $0.lifetime.overlaps(lifetime) }
    for step in lifetime { found += (bySteps[step] ?? []).map { items[$0] } }
    return found.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }
}
