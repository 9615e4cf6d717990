import GraftData
import GraftFiles
import GraftVision

/// How a training image is mixed with another.
package struct Mixture: Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    /// The weighted mean of both.
    case blend
    /// A rectangle from the other image.
    case patch(columns: Range<Int>, rows: Range<Int>)
  }

  package var kind: Kind
  /// The weight of the image itself, and of its class in the target, from 0 to 1.
  package var share: Double
  /// The number of the other image.
  package var partner = 0

  /// - Precondition: both images have the mixture's size
  func apply(to image: Image, partner: Image) throws -> Image {
    switch kind {
    case .blend: try image.mixed(with: partner, share: share)
    case .patch(let columns, let rows):
      try image.replacing(columns: columns, rows: rows, from: partner)
    }
  }
}

/// An augmentation that mixes two images and their targets.
package protocol MixingAugmentation: Sendable {
  static var name: String { get }
  static var usage: String { get }

  /// - Throws: `GraftError` if arguments are missing, unknown or invalid
  init(_ call: NamedCall) throws

  /// A mixture whose partner is not set yet.
  func draw(size: ImageSize, using generator: inout SeededGenerator) -> Mixture
}

extension NamedCall {
  /// Removes and returns the only argument, the parameter of a beta distribution; 1 without one.
  mutating func takeAlpha(_ usage: String) throws -> Double {
    let alpha = try takeFirst(default: 1, in: 0.01...100, usage: usage)
    try requireNoMore(usage: usage)
    return alpha
  }
}

extension SeededGenerator {
  /// A random number from the distribution Beta(alpha, alpha).
  mutating func nextBeta(_ alpha: Double) -> Double {
    // In logarithms, since both numbers may underflow for a small alpha.
    let (first, second) = (nextLogarithmOfGamma(alpha), nextLogarithmOfGamma(alpha))
    return 1 / (1 + exp(second - first))
  }

  /// The logarithm of a random number from the distribution Gamma(shape, 1).
  ///
  /// Source: Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables" (2000)
  private mutating func nextLogarithmOfGamma(_ shape: Double) -> Double {
    guard shape >= 1 else {
      return nextLogarithmOfGamma(shape + 1) + log(1 - nextUnit()) / shape
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = (-2 * log(1 - nextUnit())).squareRoot() * cos(2 * .pi * nextUnit())
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      guard v > 0 else { continue }
      if log(1 - nextUnit()) < 0.5 * x * x + d - d * v + d * log(v) { return log(d * v) }
    }
  }
}
