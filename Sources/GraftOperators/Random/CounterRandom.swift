/// Random numbers that are a pure function of (seed, stream, step, element).
///
/// A stream is one use of random numbers in a model, a step is one run of it. Each task can
/// therefore draw its elements independently, and a run can be repeated. The generator is
/// SplitMix64 with a counter.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
package struct CounterRandom: Sendable {
  private let key: UInt64
  private static let increment: UInt64 = 0x9e37_79b9_7f4a_7c15

  package init(seed: Int, stream: Int = 0, step: Int = 0) {
    var key: UInt64 = 0
    for part in [seed, stream, step] {
      key = CounterRandom.mixed((key ^ UInt64(bitPattern: Int64(part))) &+ CounterRandom.increment)
    }
    self.key = key
  }

  /// 64 random bits.
  package func bits(at element: Int) -> UInt64 {
    CounterRandom.mixed(
      key &+ (UInt64(bitPattern: Int64(element)) &+ 1) &* CounterRandom.increment)
  }

  /// A number of 0..<1, uniformly distributed.
  package func uniform(at element: Int) -> Double {
    Double(bits(at: element) >> 11) * 0x1p-53
  }

  private static func mixed(_ bits: UInt64) -> UInt64 {
    var bits = bits
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }
}
