import GraftFiles

/// The size to which images are resized.
package enum ResizeRule: Sendable, Hashable {
  /// To this size, ignoring the proportions.
  case exact(ImageSize)
  /// The shorter side to this length, keeping the proportions, like torchvision's `Resize(N)`.
  case shorter(Int)

  /// A longer side would take too long to compute.
  private static let longestSide = 1 << 27

  /// - Returns: the new size of an image of `size`; it may be too large for memory if a crop keeps
  ///   little of it
  /// - Throws: `GraftError` if a side exceeds the limit
  package func targetSize(for size: ImageSize) throws -> ImageSize {
    let target: ImageSize
    switch self {
    case .exact(let exact):
      target = exact
    case .shorter(let shorter):
      // int(requested * long / short) in torchvision: divided in double, then truncated.
      let short = min(size.width, size.height)
      let (product, overflow) = shorter.multipliedReportingOverflow(
        by: max(size.width, size.height))
      guard !overflow, short > 0, product / short <= ResizeRule.longestSide else {
        throw GraftError.badData("an image of \(size) pixels cannot be resized to \(self)")
      }
      let longer = Int(Double(product) / Double(short))
      target =
        size.width <= size.height
        ? ImageSize(width: shorter, height: longer) : ImageSize(width: longer, height: shorter)
    }
    return target
  }
}

extension ResizeRule: CustomStringConvertible {
  /// The form that ``init(text:)`` reads.
  package var description: String {
    switch self {
    case .exact(let size): size.shortDescription
    case .shorter(let side): "shorter:\(side)"
    }
  }

  /// Reads `224` (both sides), `320x240` (width and height) or `shorter:256`.
  ///
  /// - Throws: `GraftError` for anything else
  package init(text: String) throws {
    let prefix = "shorter:"
    let forms = "224, 320x240, shorter:256 or none"
    guard text.hasPrefix(prefix) else {
      self = .exact(try ImageSize(text: text, forms: forms))
      return
    }
    guard let side = ImageSize.side(text.dropFirst(prefix.count)) else {
      throw ImageSize.invalid("image size", text, forms)
    }
    self = .shorter(side)
  }
}

extension ImageSize {
  private static let maximumSide = 1 << 16

  /// Reads `224` (both sides) or `320x240` (width and height).
  ///
  /// - Parameters:
  ///   - what: what the size is, for messages
  ///   - forms: the texts that the caller accepts, for messages
  /// - Throws: `GraftError` for anything else
  package init(
    text: String, _ what: String = "image size", forms: String = "224 or 320x240"
  ) throws {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false)
    guard (1...2).contains(sides.count), let width = ImageSize.side(sides[0]),
      let height = ImageSize.side(sides[sides.count - 1])
    else { throw ImageSize.invalid(what, text, forms) }
    self.init(width: width, height: height)
  }

  fileprivate static func invalid(_ what: String, _ text: String, _ forms: String) -> GraftError {
    .usage(
      "invalid \(what) '\(text)'", hint: "Use \(forms), with sides from 1 to \(maximumSide)")
  }

  /// The form that ``init(text:)`` reads.
  package var shortDescription: String { width == height ? "\(width)" : "\(width)x\(height)" }

  fileprivate static func side(_ text: some StringProtocol) -> Int? {
    guard let side = Int(text), (1...maximumSide).contains(side) else { return nil }
    return side
  }
}
