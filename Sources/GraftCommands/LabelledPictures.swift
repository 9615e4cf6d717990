import Graft
import GraftData

/// Opens data sets, and says what is wrong with them.
enum LabelledPictures {
  /// Pictures whose names are printed.
  private static let shownCount = 10

  /// - Throws: `GraftError` if there are more unreadable pictures than `maximumBad`.
  static func open(
    _ path: String, maximumBad: Int, _ compute: ComputeOptions
  ) throws -> PictureDataset {
    let (dataset, bad) = try PictureDataset.open(path).checked(
      .headers, maximumBad: maximumBad, threads: compute.threadCount)
    for remark in dataset.remarks { CommandLineProgram.note("\(remark)") }
    for picture in bad.prefix(shownCount) {
      CommandLineProgram.warn("\(picture.place): \(picture.reason); skipped")
    }
    if bad.count > shownCount {
      CommandLineProgram.warn("\(bad.count) unreadable pictures in all")
    }
    return dataset
  }
}
