import GraftData
import GraftVision

/// A random change of an image that preserves its class and size.
///
/// Images are already resized and cropped, but not normalized: 8 bits, red, green and blue, or
/// grey.
package protocol Augmentation: Sendable {
  /// The name that recipes use.
  static var name: String { get }
  /// What arguments there are, as messages and help show them.
  static var usage: String { get }

  /// - Throws: `GraftError` if arguments are missing, unknown or invalid
  init(_ call: NamedCall) throws

  /// - Parameter generator: the source of all random choices
  func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image
}

extension NamedCall {
  /// Removes and returns the only argument: a number of pixels.
  mutating func takePixels(_ usage: String) throws -> Int {
    try takeFirst(in: 1...4096, usage: usage)
  }

  /// Removes the only argument, the largest deviation of a factor from 1, and returns the range.
  mutating func takeFactors(_ usage: String) throws -> ClosedRange<Double> {
    let share: Double = try takeFirst(in: 0...10, usage: usage)
    try requireNoMore(usage: usage)
    return max(0, 1 - share)...1 + share
  }
}

extension SeededGenerator {
  /// A uniformly distributed integer.
  mutating func nextIndex(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A uniformly distributed number.
  mutating func nextNumber(in range: ClosedRange<Double>) -> Double {
    range.lowerBound + nextUnit() * (range.upperBound - range.lowerBound)
  }

  /// True with the given probability.
  mutating func nextChance(_ probability: Double = 0.5) -> Bool { nextUnit() < probability }
}
