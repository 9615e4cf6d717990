/// MT19937, as NumPy's `RandomState(seed)` seeds and reads it.
///
/// Source: Matsumoto, Nishimura, "Mersenne twister: a 623-dimensionally equidistributed uniform
/// pseudo-random number generator", ACM Transactions on Modeling and Computer Simulation 8, 1998
struct MersenneTwister {
  static let wordCount = 624

  /// The memory of the words.
  private let words: UnsafeMutablePointer<UInt32>
  private var next = MersenneTwister.wordCount

  /// - Parameter words: memory of ``wordCount`` words
  init(seed: UInt32, words: UnsafeMutablePointer<UInt32>) {
    self.words = words
    var word = seed
    for index in 0..<Self.wordCount {
      words[index] = word
      word = 1_812_433_253 &* (word ^ (word >> 30)) &+ UInt32(index + 1)
    }
  }

  private mutating func twist() {
    let middle = 397
    for index in 0..<Self.wordCount {
      let following = words[(index + 1) % Self.wordCount]
      let mixed = (words[index] & 0x8000_0000) | (following & 0x7fff_ffff)
      words[index] =
        words[(index + middle) % Self.wordCount] ^ (mixed >> 1)
        ^ (mixed & 1 == 0 ? 0 : 0x9908_b0df)
    }
    next = 0
  }

  mutating func bits() -> UInt32 {
    if next == Self.wordCount { twist() }
    var word = words[next]
    next += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9d2c_5680
    word ^= (word << 15) & 0xefc6_0000
    return word ^ (word >> 18)
  }

  /// A number of 0..<1 with 53 random bits.
  mutating func uniform() -> Double {
    let (high, low) = (bits() >> 5, bits() >> 6)
    return (Double(high) * 0x1p26 + Double(low)) * 0x1p-53
  }
}
