import GraftFiles

/// How a resized image's samples come from those of the original.
package enum Interpolation: String, Sendable, CaseIterable {
  /// The nearest pixel, as Pillow and Keras's `load_img` choose it.
  case nearest
  /// Pillow's bilinear filter, widened when shrinking (antialias).
  case bilinear
  /// Pillow's bicubic filter (a = -0.5), widened when shrinking (antialias).
  case bicubic
  /// `tf.image.resize(method="bilinear")`: half-pixel centres, no antialias, not rounded.
  case tensorFlowBilinear = "tf-bilinear"

  /// - Throws: `GraftError` for an unknown name.
  package init(named name: String) throws {
    guard let interpolation = Interpolation(rawValue: name) else {
      let names = Interpolation.allCases.map(\.rawValue).joined(separator: ", ")
      throw GraftError.usage("unknown interpolation '\(name)'", hint: "Known are \(names).")
    }
    self = interpolation
  }
}
