import Foundation
import GraftTensor
import Testing

import GraftVision

private let testData = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]

/// Real photos, compared with the checksums of what Pillow, Keras and TensorFlow make of them.
@Suite(.enabled(if: testData != nil, "skipped: GRAFT_TEST_DATA is not set"))
struct PhotoTests {
  private static let table: [[String: String]] = {
    guard let text = try? String(contentsOfFile: Fixtures.path("photos.tsv"), encoding: .utf8)
    else { return [] }
    let rows = text.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
    guard let titles = rows.first else { return [] }
    return rows.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(titles, $0)) }
  }()

  private func sum(_ image: Image) -> String { hexadecimal(checksum(image.samples)) }

  private func sum(_ tensor: Tensor) -> String {
    tensor.withUnsafeBytes { hexadecimal(checksum($0)) }
  }

  private func hexadecimal(_ sum: UInt32) -> String {
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  @Test func hasPhotos() { #expect(Self.table.count == 62) }

  /// All bit by bit, but TensorFlow's resizing, which has to be within 1e-4 of 255.
  @Test(arguments: table) func becomesWhatTheLibrariesMakeOfIt(row: [String: String]) throws {
    let folder = try #require(testData)
    let image = try Image.read("\(folder)/photos/\(row["file"] ?? "")")
    let square = ImageSize(width: 224, height: 224)
    #expect(image.size.description == row["size"])
    #expect(sum(image) == row["decoded"])
    #expect(sum(try image.resized(to: square, .nearest)) == row["nearest"])
    #expect(sum(try image.resized(to: square, .bicubic)) == row["bicubic"])
    let shorter = try ResizeRule.shorter(256).targetSize(for: image.size)
    let cropped = try image.resized(to: shorter, .bilinear).centerCropped(to: square)
    #expect(sum(cropped) == row["torch-image"])

    let caffe = Preprocessing(.kerasCaffe, layout: .channelsLast)
    #expect(sum(try Preprocessor(caffe).tensor(for: image)) == row["keras-caffe"])
    #expect(sum(try Preprocessor(Preprocessing(.torch)).tensor(for: image)) == row["torch"])

    let expected = row["tf-bilinear"]?.split(separator: ",").compactMap { Float($0) } ?? []
    let resized = try image.resizedLikeTensorFlow(to: square)
    let step = resized.sampleCount / 7
    let found = resized.withUnsafeSamples { samples in (0..<7).map { samples[$0 * step] } }
    #expect(largestDifference(found, expected) <= 1e-4)
  }
}
