/// The transformation that makes an image upright, numbered like EXIF's Orientation tag.
///
/// Source: <https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E>, 4.6.5.1.6
package enum Orientation: Int, Sendable, CaseIterable {
  case leave = 1
  case flipHorizontally = 2
  case rotateHalf = 3
  case flipVertically = 4
  /// Mirrors along the main diagonal.
  case transpose = 5
  case rotateClockwise = 6
  /// Mirrors along the other diagonal, from the upper right.
  case transverse = 7
  case rotateCounterclockwise = 8

  /// Whether width and height are swapped.
  package var swapsSides: Bool { rawValue >= 5 }
}
