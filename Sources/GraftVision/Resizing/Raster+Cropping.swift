extension Raster {
  /// The middle of the picture, as torchvision's `CenterCrop` cuts it: halves are rounded to even,
  /// and a picture that is too small gets a border of zeros first.
  package func centerCropped(to size: PictureSize) throws -> Raster {
    try PixelLimit.standard.check(width: size.width, height: size.height)
    guard size != self.size else { return self }
    let left = cropOffset(from: width, to: size.width)
    let top = cropOffset(from: height, to: size.height)
    let columns = max(0, -left)..<min(size.width, width - left)
    let rows = max(0, -top)..<min(size.height, height - top)
    let (width, channelCount) = (width, channelCount)
    return try Raster(
      width: size.width, height: size.height, channelCount: channelCount
    ) { target in
      withUnsafeSamples { source in
        for y in rows {
          let sourceStart = ((y + top) * width + columns.lowerBound + left) * channelCount
          let targetStart = (y * size.width + columns.lowerBound) * channelCount
          for sample in 0..<(columns.count * channelCount) {
            target[targetStart + sample] = source[sourceStart + sample]
          }
        }
      }
    }
  }
}

/// Where the crop begins in the old side; negative if there is a border before it.
private func cropOffset(from oldSide: Int, to newSide: Int) -> Int {
  let spare = oldSide - newSide
  if spare < 0 { return -(-spare / 2) }
  return Int((Double(spare) / 2).rounded(.toNearestOrEven))
}
