import GraftFiles
import GraftGraph

/// The attributes of LRN, and the arithmetic shared with its gradient.
struct ResponseRegion: Sendable {
  let size: Int
  let alpha: Float
  let beta: Float
  let bias: Float

  init(_ attributes: AttributeReader) throws {
    size = try attributes.required("size", attributes.int("size"))
    guard size > 0 else {
      throw GraftError.badData("attribute 'size' is \(size); expected at least 1")
    }
    alpha = try attributes.float("alpha", default: 1e-4)
    beta = try attributes.float("beta", default: 0.75)
    bias = try attributes.float("bias", default: 1)
  }

  /// The channels in the region of a channel.
  func channels(around channel: Int, of count: Int) -> Range<Int> {
    let before = (size - 1) / 2
    return max(0, channel - before)..<(channel + min(count - channel, size - before))
  }

  /// The channels whose region includes a channel.
  func channels(lookingAt channel: Int, of count: Int) -> Range<Int> {
    let before = (size - 1) / 2
    return max(0, channel - (size - 1 - before))..<(channel + min(count - channel, before + 1))
  }

  /// The sums of squares around one channel; `item` points to the first channel.
  func sumSquares<Element: RealElement>(
    _ item: UnsafePointer<Element>, _ sums: UnsafeMutablePointer<Element>, channel: Int,
    channels count: Int, count planeCount: Int
  ) {
    sums.update(repeating: 0, count: planeCount)
    for neighbour in channels(around: channel, of: count) {
      let plane = item + neighbour * planeCount
      for i in 0..<planeCount { sums[i] += plane[i] * plane[i] }
    }
  }

  @inline(__always) func base<Element: RealElement>(_ sumOfSquares: Element) -> Element {
    Element(bias) + Element(alpha) / Element(size) * sumOfSquares
  }

  /// base^-beta
  @inline(__always) func inversePower<Element: RealElement>(_ base: Element) -> Element {
    if beta == 0.75 {
      let root = base.squareRoot()
      return 1 / (root * root.squareRoot())
    }
    return Element.power(base, -Element(beta))
  }
}
