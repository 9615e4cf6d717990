import Foundation
import GraftFiles
import GraftVision

/// The files that `Tests/Fixtures/image_files.py` writes.
enum Fixtures {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(component: "Fixtures")

  static func path(_ name: String) -> String { folder.appending(component: name).path }

  static func bytes(_ name: String) throws -> [UInt8] { try InputFile.read(path(name)) }

  /// The names of all images that Graft is to read, in a fixed order.
  static let images: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let endings = [".jpg", ".png", ".webp", ".bmp", ".pnm", ".gif", ".tiff", ".jp2", ".j2k"]
    return names.filter { name in endings.contains { name.hasSuffix($0) } }.sorted()
  }()

  /// Images that libheif decodes, where it is installed.
  static let heifImages = ["picture.avif", "picture.heic", "turned.avif"]

  /// A stored image, as Pillow made it (binary PPM or PGM).
  static func expectedImage(_ name: String) throws -> Image {
    let (lines, samples) = try split(bytes("\(name).ppm"), lineCount: 3)
    let sides = lines[1].split(separator: " ").compactMap { Int($0) }
    return try Image(
      width: sides[0], height: sides[1], channelCount: lines[0] == "P6" ? 3 : 1,
      samples: Array(samples))
  }

  /// A stored array of floats, `[height, width, channels]`.
  static func expectedFloats(_ name: String) throws -> (shape: [Int], values: [Float]) {
    let (lines, data) = try split(bytes("\(name).f32"), lineCount: 1)
    let values = stride(from: data.startIndex, to: data.endIndex, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(data[start + $1]) << UInt32(8 * $1) })
    }
    return (lines[0].split(separator: " ").compactMap { Int($0) }, values)
  }

  private static func split(
    _ bytes: [UInt8], lineCount: Int
  ) throws -> (lines: [String], data: ArraySlice<UInt8>) {
    var rest = bytes[...]
    var lines: [String] = []
    for _ in 0..<lineCount {
      guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
        throw GraftError.badData("a fixture has no header")
      }
      lines.append(String(decoding: rest[..<end], as: UTF8.self))
      rest = rest[(end + 1)...]
    }
    return (lines, rest)
  }
}

/// How two images differ, in words; `nil` if they do not.
func difference(_ found: Image, _ expected: Image) -> String? {
  guard found.size == expected.size, found.channelCount == expected.channelCount else {
    return
      "found \(found.size)x\(found.channelCount), not \(expected.size)x\(expected.channelCount)"
  }
  let (foundSamples, expectedSamples) = (found.samples, expected.samples)
  let wrong = foundSamples.indices.filter { foundSamples[$0] != expectedSamples[$0] }
  guard let first = wrong.first else { return nil }
  return """
    \(wrong.count) of \(foundSamples.count) samples differ; sample \(first) is \
    \(foundSamples[first]), not \(expectedSamples[first])
    """
}

/// The largest absolute difference; infinite if the numbers of values differ.
func largestDifference(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  return zip(found, expected).map { abs($0 - $1) }.max() ?? 0
}
