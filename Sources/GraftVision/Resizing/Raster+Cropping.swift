extension Raster {
  /// The central part of the image, like torchvision's `CenterCrop`: halves are rounded to even,
  /// and a too small image first gets a border of zeros.
  package func centerCropped(to size: ImageSize) throws -> Raster {
    guard size != self.size else { return self }
    let window = try CropWindow(of: self.size, croppedTo: size)
    let part = try part(columns: window.columns, rows: window.rows)
    guard part.size != size else { return part }
    let rowCount = part.width * channelCount
    let start = (window.border.height * size.width + window.border.width) * channelCount
    return try Raster(width: size.width, height: size.height, channelCount: channelCount) {
      target in
      part.withUnsafeSamples { source in
        for y in 0..<part.height {
          let row = start + y * size.width * channelCount
          for sample in 0..<rowCount { target[row + sample] = source[y * rowCount + sample] }
        }
      }
    }
  }

  /// A range of columns and rows of the image.
  func part(columns: Range<Int>, rows: Range<Int>) throws -> Raster {
    guard columns.count != width || rows.count != height else { return self }
    let (width, channelCount) = (width, channelCount)
    return try Raster(width: columns.count, height: rows.count, channelCount: channelCount) {
      target in
      withUnsafeSamples { source in
        let rowCount = columns.count * channelCount
        for (line, y) in rows.enumerated() {
          let start = (y * width + columns.lowerBound) * channelCount
          for sample in 0..<rowCount { target[line * rowCount + sample] = source[start + sample] }
        }
      }
    }
  }
}

/// The central part of an image.
struct CropWindow {
  let columns: Range<Int>
  let rows: Range<Int>
  /// The part of the crop left of and above the image.
  let border: ImageSize

  /// - Parameters:
  ///   - size: of the image, which may be larger than any in memory
  ///   - crop: the size to keep; `nil` for all
  /// - Throws: `GraftError` if the crop is empty or too large
  init(of size: ImageSize, croppedTo crop: ImageSize?) throws {
    let kept = crop ?? size
    try PixelLimit.standard.check(width: kept.width, height: kept.height)
    let left = CropWindow.offset(from: size.width, to: kept.width)
    let top = CropWindow.offset(from: size.height, to: kept.height)
    columns = max(0, left)..<min(left + kept.width, size.width)
    rows = max(0, top)..<min(top + kept.height, size.height)
    border = ImageSize(width: max(0, -left), height: max(0, -top))
  }

  /// The start of the crop on the old side; negative if there is a border before it.
  private static func offset(from oldSide: Int, to newSide: Int) -> Int {
    let spare = oldSide - newSide
    if spare < 0 { return -(-spare / 2) }
    return Int((Double(spare) / 2).rounded(.toNearestOrEven))
  }
}
