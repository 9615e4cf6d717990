import GraftFiles

/// How an image becomes a network's input: part of the model, stored with it.
package struct Preprocessing: Sendable, Hashable {
  /// The normalization of samples, named after the library whose networks expect it.
  package enum Scheme: String, Sendable, CaseIterable {
    /// Blue, green, red, each minus its mean (103.939, 116.779, 123.68); not scaled.
    case kerasCaffe = "keras-caffe"
    /// From -1 to 1.
    case kerasTensorFlow = "keras-tf"
    /// From 0 to 1, minus ImageNet's mean, divided by its standard deviation.
    case torch
    /// From 0 to 1.
    case unit
    /// From 0 to 255.
    case none

    /// - Throws: `GraftError` for an unknown name
    package init(named name: String) throws {
      guard let scheme = Scheme(rawValue: name) else {
        let names = Scheme.allCases.map(\.rawValue).joined(separator: ", ")
        throw GraftError.usage("unknown preprocessing '\(name)'", hint: "Use one of \(names)")
      }
      self = scheme
    }
  }

  /// The order of a tensor's dimensions.
  package enum Layout: String, Sendable, CaseIterable {
    /// `[N, C, H, W]`
    case channelsFirst = "NCHW"
    /// `[N, H, W, C]`
    case channelsLast = "NHWC"
  }

  package var scheme: Scheme
  /// `nil` keeps the size.
  package var resize: ResizeRule?
  package var interpolation: Interpolation
  /// The central part to keep after resizing; `nil` keeps the whole image.
  package var crop: ImageSize?
  /// 3 for colour, 1 for grey.
  package var channelCount: Int
  package var layout: Layout
  /// Whether images are rotated first, as their EXIF data or XMP packet says; Keras does not.
  package var appliesOrientation = true

  /// The scheme with its library's sizes and interpolation.
  package init(
    _ scheme: Scheme, channelCount: Int = 3, layout: Layout = .channelsFirst
  ) {
    self.scheme = scheme
    self.channelCount = channelCount
    self.layout = layout
    let side = ImageSize(width: 224, height: 224)
    switch scheme {
    case .kerasCaffe, .kerasTensorFlow:
      (resize, interpolation, crop) = (.exact(side), .nearest, nil)
    case .torch:
      (resize, interpolation, crop) = (.shorter(256), .bilinear, side)
    case .unit, .none:
      (resize, interpolation, crop) = (nil, .bilinear, nil)
    }
  }

  /// The size of all prepared images; `nil` if it depends on the image.
  package var fixedSize: ImageSize? {
    if let crop { return crop }
    if case .exact(let size)? = resize { return size }
    return nil
  }

  /// The same, but resized to `size` if no size is set: for `unit` and `none`, which follow the
  /// model's input.
  package func fitted(to size: ImageSize) -> Preprocessing {
    guard resize == nil, crop == nil else { return self }
    var copy = self
    copy.resize = .exact(size)
    return copy
  }
}
