import GraftData
import GraftVision

/// A random change of an image that leaves its class and its size as they are; each in a file of its own.
///
/// Images are those that the network sees, resized and cropped, before their samples become numbers: 8 bits, red,
/// green and blue, or grey.
package protocol Augmentation: Sendable {
  /// The name that recipes use.
  static var name: String { get }
  /// What arguments there are, as messages and help show them.
  static var usage: String { get }

  /// - Throws: `GraftError` if arguments are missing, unknown or impossible.
  init(_ call: NamedCall) throws

  /// - Parameter generator: where all random choices come from
  func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image
}

extension NamedCall {
  /// Takes the only argument away: a number of pixels.
  mutating func takePixels(_ usage: String) throws -> Int {
    try takeWhole(in: 1...4096, usage: usage)
  }

  /// Takes the only argument away: by how much a factor may differ from 1.
  mutating func takeFactors(_ usage: String) throws -> ClosedRange<Double> {
    let share = try takeNumber(in: 0...10, usage: usage)
    try requireNoMore(known: ["by how much the factor differs from 1, such as 0.2"])
    return max(0, 1 - share)...1 + share
  }
}

extension SeededGenerator {
  /// A whole number; all are as likely.
  mutating func nextIndex(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A number that is uniformly distributed.
  mutating func nextNumber(in range: ClosedRange<Double>) -> Double {
    range.lowerBound + nextUnit() * (range.upperBound - range.lowerBound)
  }

  /// Whether something that happens with a probability does.
  mutating func nextChance(_ probability: Double = 0.5) -> Bool { nextUnit() < probability }
}
