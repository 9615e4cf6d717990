import GraftRuntime
import TestSupport
import Testing

@Suite struct MemoryPlannerTests {
  /// Buffers that live at the same time never share bytes, and the arena is no larger than their
  /// sum.
  @Test func neverOverlaps() throws {
    var generator = Generator(seed: 17)
    for _ in 0..<200 {
      let buffers = (0..<40).map { _ in
        let start = generator.below(30)
        return MemoryPlanner.Buffer(
          byteCount: generator.below(5000), lifetime: start...(start + generator.below(8)))
      }
      let (offsets, byteCount) = try MemoryPlanner.layOut(buffers)
      for first in buffers.indices {
        #expect(offsets[first] % 64 == 0)
        #expect(offsets[first] + buffers[first].byteCount <= byteCount)
        for second in buffers.indices where second > first {
          let (a, b) = (buffers[first], buffers[second])
          guard a.lifetime.overlaps(b.lifetime), a.byteCount > 0, b.byteCount > 0 else { continue }
          let isApart =
            offsets[first] + a.byteCount <= offsets[second]
            || offsets[second] + b.byteCount <= offsets[first]
          #expect(isApart)
        }
      }
    }
  }

  /// A chain of layers needs two buffers, not one per layer.
  @Test func chainTakesTwoBuffers() throws {
    let buffers = (0..<10).map { MemoryPlanner.Buffer(byteCount: 1024, lifetime: $0...($0 + 1)) }
    #expect(try MemoryPlanner.layOut(buffers).byteCount == 2048)
  }

  /// With any lookup of buffers, each is at the lowest offset where it fits.
  @Test(arguments: [(40, 8), (400, 200), (2000, 4), (500, 3000)])
  func findsTheLowestGap(_ count: Int, _ longest: Int) throws {
    var generator = Generator(seed: 5)
    let buffers = (0..<count).map { _ in
      let start = generator.below(300)
      return MemoryPlanner.Buffer(
        byteCount: 64 * generator.below(20), lifetime: start...(start + generator.below(longest)))
    }
    let (offsets, _) = try MemoryPlanner.layOut(buffers)
    let order = buffers.indices.sorted {
      (-buffers[$0].byteCount, $0) < (-buffers[$1].byteCount, $1)
    }
    var placed: [(offset: Int, buffer: MemoryPlanner.Buffer)] = []
    for index in order where buffers[index].byteCount > 0 {
      let buffer = buffers[index]
      var offset = 0
      for (start, other) in placed.sorted(by: { $0.offset < $1.offset })
      where other.lifetime.overlaps(buffer.lifetime) {
        if offset + buffer.byteCount <= start { break }
        offset = max(offset, start + other.byteCount)
      }
      try #require(offsets[index] == offset)
      placed.append((offset, buffer))
    }
  }
}
