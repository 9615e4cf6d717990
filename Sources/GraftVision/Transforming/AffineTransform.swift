import GraftFiles

/// The source of each pixel of a new image: the pixel at (x, y) comes from (a x + b y + c, d x + e
/// y + f) of the old image. Pixels are squares of side 1, and (0, 0) is the upper left corner.
///
/// The coefficients are those of Pillow's `Image.transform(size, AFFINE, (a, b, c, d, e, f))`.
package struct AffineTransform: Sendable, Hashable {
  package var a = 1.0
  package var b = 0.0
  package var c = 0.0
  package var d = 0.0
  package var e = 1.0
  package var f = 0.0

  /// A counterclockwise rotation around the centre of an image, like `Image.rotate(degrees)`.
  package static func rotation(degrees: Double, size: ImageSize) -> AffineTransform {
    let radians = -degrees * .pi / 180
    let (cosine, sine) = (rounded(cos(radians)), rounded(sin(radians)))
    return AffineTransform(a: cosine, b: sine, d: -sine, e: cosine).around(size)
  }

  /// Magnification by `scale` around the centre of an image, like torchvision's `affine(scale:)`.
  package static func scaling(by scale: Double, size: ImageSize) -> AffineTransform {
    AffineTransform(a: 1 / scale, e: 1 / scale).around(size)
  }

  /// Moves each row sideways by `factor` times its index.
  package static func shearX(_ factor: Double) -> AffineTransform { AffineTransform(b: factor) }

  /// Moves each column vertically by `factor` times its index.
  package static func shearY(_ factor: Double) -> AffineTransform { AffineTransform(d: factor) }

  /// The same transform around the image's centre.
  private func around(_ size: ImageSize) -> AffineTransform {
    let (x, y) = (Double(size.width) / 2, Double(size.height) / 2)
    var result = self
    result.c = a * -x + b * -y + x
    result.f = d * -x + e * -y + y
    return result
  }

  /// Rounded to 15 decimal places, like Pillow, so that right angles are exact.
  private static func rounded(_ number: Double) -> Double { (number * 1e15).rounded() / 1e15 }
}

extension Raster where Sample == UInt8 {
  /// The transformed image, of the same size, black where the source is outside. Identical to
  /// Pillow's `Image.transform`.
  ///
  /// - Parameter interpolation: ``Interpolation/nearest`` or ``Interpolation/bilinear``, which here
  ///   uses four neighbours at any scale
  package func transformed(
    by transform: AffineTransform, _ interpolation: Interpolation = .nearest
  ) throws -> Image {
    try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        if interpolation == .nearest {
          transformToNearest(transform, source, target)
        } else {
          transformBilinearly(transform, source, target)
        }
      }
    }
  }

  /// Positions are accumulated in fixed point with 16 fractional bits.
  private func transformToNearest(
    _ transform: AffineTransform, _ source: UnsafeBufferPointer<UInt8>,
    _ target: UnsafeMutableBufferPointer<UInt8>
  ) {
    func fixed(_ number: Double) -> Int { Int((number * 65536 + 0.5).rounded(.down)) }
    let (a, b, d, e) = (
      fixed(transform.a), fixed(transform.b), fixed(transform.d), fixed(transform.e)
    )
    var rowX = fixed(transform.c + transform.a * 0.5 + transform.b * 0.5)
    var rowY = fixed(transform.f + transform.d * 0.5 + transform.e * 0.5)
    var position = 0
    for _ in 0..<height {
      var (x, y) = (rowX, rowY)
      for _ in 0..<width {
        let (column, row) = (x >> 16, y >> 16)
        if column >= 0, column < width, row >= 0, row < height {
          let pixel = (row * width + column) * channelCount
          for channel in 0..<channelCount { target[position + channel] = source[pixel + channel] }
        }
        position += channelCount
        x += a
        y += d
      }
      rowX += b
      rowY += e
    }
  }

  private func transformBilinearly(
    _ transform: AffineTransform, _ source: UnsafeBufferPointer<UInt8>,
    _ target: UnsafeMutableBufferPointer<UInt8>
  ) {
    var position = 0
    for y in 0..<height {
      for x in 0..<width {
        defer { position += channelCount }
        let (centerX, centerY) = (Double(x) + 0.5, Double(y) + 0.5)
        let sourceX = transform.a * centerX + transform.b * centerY + transform.c
        let sourceY = transform.d * centerX + transform.e * centerY + transform.f
        guard sourceX >= 0, sourceX < Double(width), sourceY >= 0, sourceY < Double(height) else {
          continue
        }
        let (column, shareX) = split(sourceX - 0.5)
        let (row, shareY) = split(sourceY - 0.5)
        let columns = (max(column, 0) * channelCount, min(column + 1, width - 1) * channelCount)
        let rows = (
          max(row, 0) * width * channelCount, min(row + 1, height - 1) * width * channelCount
        )
        for channel in 0..<channelCount {
          func sample(_ row: Int, _ column: Int) -> Double {
            Double(source[row + column + channel])
          }
          func blend(_ row: Int) -> Double {
            let first = sample(row, columns.0)
            return first + (sample(row, columns.1) - first) * shareX
          }
          let upper = blend(rows.0)
          target[position + channel] = UInt8(upper + (blend(rows.1) - upper) * shareY)
        }
      }
    }
  }
}

/// Splits a number into its floor and fraction. (`rounded(.down)` is a function call without
/// SSE4.1.)
@inline(__always)
private func split(_ number: Double) -> (whole: Int, rest: Double) {
  var whole = Int(number)
  if Double(whole) > number { whole -= 1 }
  return (whole, number - Double(whole))
}
