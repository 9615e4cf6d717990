/// The arithmetic of a scheme, in single precision and in the operation order of its library.
struct Normalization: Sendable {
  private let scheme: Preprocessing.Scheme

  // ImageNet's statistics, as Keras and torchvision round them.
  private static let caffeMeans: [Float] = [103.939, 116.779, 123.68]
  private static let torchMeans: [Float] = [0.485, 0.456, 0.406]
  private static let torchDeviations: [Float] = [0.229, 0.224, 0.225]

  init(_ scheme: Preprocessing.Scheme) {
    self.scheme = scheme
  }

  /// Whether the scheme has constants for three channels, and so needs three.
  var needsColors: Bool { scheme == .kerasCaffe || scheme == .torch }

  /// The channel of the image that becomes `channel` of the tensor.
  func sourceChannel(of channel: Int) -> Int {
    scheme == .kerasCaffe ? 2 - channel : channel
  }

  /// - Parameters:
  ///   - sample: from 0 to 255
  ///   - channel: of the tensor
  func normalize(_ sample: Float, channel: Int) -> Float {
    switch scheme {
    case .kerasCaffe: sample - Normalization.caffeMeans[channel]
    case .kerasTensorFlow: sample / 127.5 - 1
    case .torch:
      (sample / 255 - Normalization.torchMeans[channel]) / Normalization.torchDeviations[channel]
    case .unit: sample / 255
    case .none: sample
    }
  }
}
