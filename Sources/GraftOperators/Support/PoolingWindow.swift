import GraftFiles
import GraftGraph
import GraftTensor

/// The common attributes of poolings: how a window slides over the spatial axes.
///
/// Source: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>
package struct PoolingWindow: Sendable {
  enum Padding: Sendable {
    /// All starts, then all ends.
    case explicit([Int])
    case valid
    case sameUpper
    case sameLower
  }

  /// Extents, one for each spatial axis.
  package let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let padding: Padding
  /// Whether a last window that extends beyond the padding counts.
  package let roundsUp: Bool

  static let supportedRanks = 1...3

  package init(_ attributes: AttributeReader) throws {
    let kernel = try attributes.required("kernel_shape", attributes.ints("kernel_shape"))
    guard PoolingWindow.supportedRanks.contains(kernel.count) else {
      throw GraftError.unsupported(
        "attribute 'kernel_shape' has \(kernel.count) extents; poolings have 1 to 3 spatial axes")
    }

    /// Limits values so that the product of any two fits.
    func checked(_ name: String, _ values: [Int], count: Int, atLeast least: Int) throws -> [Int] {
      guard values.count == count else {
        throw GraftError.badData(
          "attribute '\(name)' has \(values.count) values; expected \(count)")
      }
      guard values.allSatisfy({ $0 >= least && $0 <= Int(Int32.max) }) else {
        throw GraftError.badData("attribute '\(name)' is \(values); expected at least \(least)")
      }
      return values
    }
    func perAxis(_ name: String) throws -> [Int] {
      guard let values = try attributes.ints(name), !values.isEmpty else {
        return [Int](repeating: 1, count: kernel.count)
      }
      return try checked(name, values, count: kernel.count, atLeast: 1)
    }

    self.kernel = try checked("kernel_shape", kernel, count: kernel.count, atLeast: 1)
    strides = try perAxis("strides")
    dilations = try perAxis("dilations")
    roundsUp = try attributes.flag("ceil_mode")
    switch try attributes.choice(
      "auto_pad", default: "NOTSET", of: ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    {
    case "VALID": padding = .valid
    case "SAME_UPPER": padding = .sameUpper
    case "SAME_LOWER": padding = .sameLower
    default:
      let pads = try attributes.ints("pads") ?? []
      padding = .explicit(
        pads.isEmpty
          ? [Int](repeating: 0, count: 2 * kernel.count)
          : try checked("pads", pads, count: 2 * kernel.count, atLeast: 0))
    }
  }

  /// Whether windows of 2 x 2 elements tile the input, without padding.
  package var isTwoByTwo: Bool {
    guard kernel == [2, 2], strides == kernel, dilations == [1, 1], !roundsUp else { return false }
    switch padding {
    case .explicit(let pads): return pads.allSatisfy { $0 == 0 }
    case .valid: return true
    case .sameUpper, .sameLower: return false
    }
  }

  /// The distance from the first to the last tap.
  private func reach(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  /// The output's extent along a spatial axis, and the padding before and after the input.
  ///
  /// - Throws: `GraftError` if not even one window fits
  func placement(axis: Int, inputExtent: Int) throws -> (
    outputExtent: Int, padBegin: Int, padEnd: Int
  ) {
    let stride = strides[axis]
    let reach = reach(axis)
    let padBegin: Int
    let padEnd: Int
    switch padding {
    case .explicit(let pads): (padBegin, padEnd) = (pads[axis], pads[axis + kernel.count])
    case .valid: (padBegin, padEnd) = (0, 0)
    case .sameUpper, .sameLower:
      let outputExtent = inputExtent / stride + (inputExtent % stride == 0 ? 0 : 1)
      let total = max(0, (outputExtent - 1) * stride + reach - inputExtent)
      if case .sameUpper = padding { return (outputExtent, total / 2, total - total / 2) }
      return (outputExtent, total - total / 2, total / 2)
    }
    let room = inputExtent + padBegin + padEnd - reach
    guard room >= 0 else {
      throw GraftError.badData(
        "a window that reaches over \(reach) elements does not fit into \(inputExtent) elements "
          + "and \(padBegin + padEnd) of padding on spatial axis \(axis)")
    }
    var outputExtent = room / stride + 1
    if roundsUp {
      if room % stride != 0 { outputExtent += 1 }
      // The last window must start inside the input or the padding before it.
      if (outputExtent - 1) * stride >= inputExtent + padBegin { outputExtent -= 1 }
    }
    return (outputExtent, padBegin, padEnd)
  }

  /// The output's shape for an input `[N, C, D1, …]`.
  func outputShape(_ input: [Dimension]) throws -> [Dimension] {
    guard input.count == kernel.count + 2 else {
      throw GraftError.badData(
        "the input has shape \(input); expected rank \(kernel.count + 2), as 'kernel_shape' has "
          + "\(kernel.count) extents")
    }
    let spatial = try kernel.indices.map { axis in
      try input[axis + 2].map { try placement(axis: axis, inputExtent: $0).outputExtent }
    }
    let output = input[..<2] + spatial
    _ = try [Dimension](output).knownShape?.checkedElementCount()
    return [Dimension](output)
  }

  /// Types and shapes of a pooling's outputs, from input 0.
  func infer(_ context: inout InferenceContext, _ allowed: Set<ElementType>) throws {
    try context.require(0, allowed)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    context.setOutput(0, elementType, try outputShape(context.shape(0)))
  }
}
