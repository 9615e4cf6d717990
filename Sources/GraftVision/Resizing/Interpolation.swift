import GraftFiles

/// How the samples of a resized image are computed.
package enum Interpolation: String, Sendable, CaseIterable {
  /// The nearest pixel, as in Pillow and Keras's `load_img`.
  case nearest
  /// Pillow's bilinear filter, widened when shrinking (antialias).
  case bilinear
  /// Pillow's bicubic filter (a = -0.5), widened when shrinking (antialias).
  case bicubic
  /// `tf.image.resize(method="bilinear")`: half-pixel centres, no antialias, not rounded.
  case tensorFlowBilinear = "tf-bilinear"

  /// - Throws: `GraftError` for an unknown name
  package init(named name: String) throws {
    guard let interpolation = Interpolation(rawValue: name) else {
      let names = Interpolation.allCases.map(\.rawValue).joined(separator: ", ")
      throw GraftError.usage("unknown interpolation '\(name)'", hint: "Use one of \(names)")
    }
    self = interpolation
  }
}
