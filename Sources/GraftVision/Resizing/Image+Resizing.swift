import GraftFiles

extension Raster where Sample == UInt8 {
  /// The image at another size, identical to Pillow's `Image.resize`.
  ///
  /// - Parameter crop: the central part to keep, as in ``Raster/centerCropped(to:)``; nothing else
  ///   is computed, so that images of extreme shape take no extra memory
  /// - Throws: `GraftError` if the result is empty or too large, and for an interpolation without
  ///   8-bit samples
  package func resized(
    to size: ImageSize, croppedTo crop: ImageSize? = nil, _ interpolation: Interpolation
  ) throws -> Image {
    let window = try CropWindow(of: size, croppedTo: crop)
    guard size != self.size else { return try crop.map { try centerCropped(to: $0) } ?? self }
    let (columns, rows) = (window.columns, window.rows)
    let image: Image
    switch interpolation {
    case .nearest:
      image = try resizedToNearest(size, columns: columns, rows: rows)
    case .bilinear:
      image = try resampled(to: size, .bilinear, columns: columns, rows: rows)
    case .bicubic:
      image = try resampled(to: size, .bicubic, columns: columns, rows: rows)
    case .tensorFlowBilinear:
      throw GraftError(.software, "\(interpolation.rawValue) does not produce 8-bit samples")
    }
    return try crop.map { try image.centerCropped(to: $0) } ?? image
  }
}
