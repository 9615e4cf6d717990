/// Images for tests.
package enum TestImage {
  /// A BMP image of 2x1 pixels with the given red.
  package static func bmp(red: UInt8 = 200) -> [UInt8] {
    let header: [UInt8] =
      [0x42, 0x4d, 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
      + [1, 0, 24, 0] + [UInt8](repeating: 0, count: 24)
    return header + [10, 20, red, 10, 20, red, 0, 0]
  }
}
