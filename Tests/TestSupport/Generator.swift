/// Random numbers that are the same in every run: SplitMix64.
package struct Generator: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// The generator of one case; neighbouring cases have nothing in common.
  package init(kind: UInt64, case number: Int) {
    state = kind &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(number) &* 0xd134_2543_de82_ef95
    _ = next()
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  package mutating func below(_ bound: Int) -> Int {
    bound > 0 ? Int.random(in: 0..<bound, using: &self) : 0
  }

  /// True once in `count` times.
  package mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

  package mutating func pick<Elements: Collection>(_ elements: Elements) -> Elements.Element? {
    elements.randomElement(using: &self)
  }

  /// Numbers from -1 to 1.
  package mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }

  /// A number as a model may have it: mostly small, else one that arithmetic overflows on.
  package mutating func integer() -> Int {
    if !oneIn(3) { return Int.random(in: -4...9, using: &self) }
    let extremes: [Int] = [
      16, 64, 255, 4096, 65535, 1 << 20, (1 << 20) + 1, 1 << 24, Int(Int32.max), 1 << 31, 1 << 32,
      1 << 40, 1 << 47, 1 << 48, 1 << 61, 1 << 62, .max - 1, .max, .min, .min + 1, -16, -65536,
      Int(Int32.min), -(1 << 40), -(1 << 62),
    ]
    return pick(extremes) ?? 0
  }

  /// A number as a tensor may have it: mostly small, else an extreme one or none at all.
  package mutating func real() -> Float {
    if !oneIn(4) { return Float(Int.random(in: -12...12, using: &self)) / 4 }
    let extremes: [Float] = [
      0, -0.0, .nan, .infinity, -.infinity, 1e-30, 1e30, -1e30, .greatestFiniteMagnitude,
      .leastNonzeroMagnitude, 1e9, -1e9, 0.001,
    ]
    return pick(extremes) ?? 0
  }
}
