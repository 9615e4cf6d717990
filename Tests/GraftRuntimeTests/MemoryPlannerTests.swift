import GraftRuntime
import Testing

@Suite struct MemoryPlannerTests {
  /// Buffers that live at the same time never share bytes, and the arena is no larger than their sum.
  @Test func neverOverlaps() throws {
    var state: UInt64 = 17
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<200 {
      let buffers = (0..<40).map { _ in
        let start = random(30)
        return MemoryPlanner.Buffer(
          byteCount: random(5000), lifetime: start...(start + random(8)))
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
}
