import GraftFiles
import GraftGraph
import GraftTensor

/// The common attributes of Conv, ConvTranspose and their gradients.
package struct ConvolutionAttributes: Sendable {
  package enum Padding: String, CaseIterable, Sendable {
    case explicit = "NOTSET"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
    case valid = "VALID"
  }

  package let padding: Padding
  package let groupCount: Int
  let kernelShape: [Int]?
  private let strides: [Int]?
  private let dilations: [Int]?
  private let pads: [Int]?

  /// Bounds attributes so that products of two of them and an extent cannot overflow.
  static let largest = 1 << 24

  package init(_ attributes: AttributeReader) throws {
    let padding = try attributes.choice(
      "auto_pad", default: "NOTSET", of: Padding.allCases.map(\.rawValue))
    self.padding = Padding(rawValue: padding) ?? .explicit
    groupCount = try attributes.int("group", default: 1)
    kernelShape = try attributes.ints("kernel_shape")
    strides = try attributes.value(.strides)
    dilations = try attributes.value(.dilations)
    pads = try attributes.value(.pads)
    func check(_ name: String, _ values: [Int]?, atLeast smallest: Int) throws {
      for value in values ?? [] where value < smallest || value > ConvolutionAttributes.largest {
        throw GraftError.badData(
          "attribute '\(name)' contains \(value); expected \(smallest) to "
            + "\(ConvolutionAttributes.largest)")
      }
    }
    try check("group", [groupCount], atLeast: 1)
    try check("kernel_shape", kernelShape, atLeast: 1)
    try check("strides", strides, atLeast: 1)
    try check("dilations", dilations, atLeast: 1)
    try check("pads", pads, atLeast: 0)
  }

  /// - Throws: `GraftError` if an attribute does not have one value (pads: two) per spatial axis.
  func checkSpatialRank(_ rank: Int) throws {
    guard rank > 0 else { throw GraftError.badData("input 0 has no spatial axes") }
    func check(_ name: String, _ values: [Int]?, _ count: Int) throws {
      guard let values, values.count != count else { return }
      throw GraftError.badData(
        "attribute '\(name)' has \(values.count) values; expected \(count)")
    }
    try check("kernel_shape", kernelShape, rank)
    try check("strides", strides, rank)
    try check("dilations", dilations, rank)
    try check("pads", pads, 2 * rank)
  }

  package func stride(_ axis: Int) -> Int { strides?[axis] ?? 1 }
  package func dilation(_ axis: Int) -> Int { dilations?[axis] ?? 1 }

  /// The value of `pads` for an axis of `rank` axes.
  func explicitPadding(_ axis: Int, rank: Int) -> (begin: Int, end: Int) {
    guard let pads else { return (0, 0) }
    return (pads[axis], pads[axis + rank])
  }

  /// The padding before all `rank` axes, then after them; `nil` if it depends on the input.
  package func fixedPadding(rank: Int) -> [Int]? {
    switch padding {
    case .explicit: pads ?? [Int](repeating: 0, count: 2 * rank)
    case .valid: [Int](repeating: 0, count: 2 * rank)
    case .sameUpper, .sameLower: nil
    }
  }

  /// The extent that a kernel covers, dilation included.
  func coverage(_ axis: Int, kernel: Int) -> Int { (kernel - 1) * dilation(axis) + 1 }

  /// Padding on both sides of an axis of a convolution.
  func padding(
    _ axis: Int, rank: Int, input: Int, kernel: Int
  ) -> (begin: Int, end: Int) {
    switch padding {
    case .explicit: return explicitPadding(axis, rank: rank)
    case .valid: return (0, 0)
    case .sameUpper, .sameLower:
      let stride = stride(axis)
      let output = (input + stride - 1) / stride
      let total = max(0, (output - 1) * stride + coverage(axis, kernel: kernel) - input)
      return padding.split(total)
    }
  }

  /// The output's extent along an axis of a convolution.
  func outputExtent(_ axis: Int, rank: Int, input: Int, kernel: Int) throws -> Int {
    let padding = padding(axis, rank: rank, input: input, kernel: kernel)
    let coverage = coverage(axis, kernel: kernel)
    let room = input + padding.begin + padding.end - coverage
    guard room >= 0 else {
      throw GraftError.badData(
        "the kernel covers \(coverage) elements along spatial axis \(axis), but the padded "
          + "input has only \(input + padding.begin + padding.end)")
    }
    return room / stride(axis) + 1
  }

  /// - Throws: `GraftError` for extents that no tensor can have, before they are used
  static func check(_ extents: [Int], of what: String) throws {
    _ = try extents.checkedElementCount()
    guard extents.allSatisfy({ $0 <= 1 << 36 }) else {
      throw GraftError.badData("\(what) of shape \(extents) is too large")
    }
  }
}

extension AttributeKey<[Int]> {
  package static var strides: Self { Self("strides") }
  package static var dilations: Self { Self("dilations") }
  /// All starts, then all ends.
  package static var pads: Self { Self("pads") }
}

extension ConvolutionAttributes.Padding {
  /// Splits padding between the two sides; the odd element goes to the end for `sameUpper`, to the
  /// beginning for `sameLower`.
  func split(_ total: Int) -> (begin: Int, end: Int) {
    let half = total / 2
    return self == .sameLower ? (total - half, half) : (half, total - half)
  }
}
