import GraftFiles

/// Extracts red, green and blue from pixels of two to four bytes.
struct BMPPixelUnpacker {
  private struct Field {
    let shift: UInt32
    let maximum: UInt32

    /// - Throws: `GraftError` unless the mask is one run of 1 to 8 bits
    init(mask: UInt32) throws {
      shift = mask == 0 ? 0 : UInt32(mask.trailingZeroBitCount)
      maximum = mask >> shift
      guard maximum > 0, maximum <= 255, maximum & (maximum + 1) == 0 else {
        throw GraftError.badData("its bit field \(String(mask, radix: 16)) is not supported")
      }
    }

    /// The value scaled to 0…255 and rounded down, like Pillow.
    func value(of pixel: UInt32) -> UInt8 {
      UInt8(truncatingIfNeeded: (pixel >> shift & maximum) * 255 / maximum)
    }
  }

  private let byteCount: Int
  private let red: Field
  private let green: Field
  private let blue: Field

  init(byteCount: Int, masks: BMPHeader.Masks) throws {
    self.byteCount = byteCount
    red = try Field(mask: masks.red)
    green = try Field(mask: masks.green)
    blue = try Field(mask: masks.blue)
  }

  /// Writes the three bytes of pixel `index` of a row to `target` at `position`.
  func unpack(
    _ row: UnsafeRawBufferPointer, _ index: Int, _ target: UnsafeMutableBufferPointer<UInt8>,
    _ position: Int
  ) {
    var pixel: UInt32 = 0
    for byte in 0..<byteCount {
      pixel |= UInt32(row[index * byteCount + byte]) << UInt32(8 * byte)
    }
    target[position] = red.value(of: pixel)
    target[position + 1] = green.value(of: pixel)
    target[position + 2] = blue.value(of: pixel)
  }
}
