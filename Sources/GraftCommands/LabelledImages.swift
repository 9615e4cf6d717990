import GraftData

/// Opens datasets, and reports what is left out of them.
enum LabelledImages {
  /// The number of image names to print.
  private static let shownCount = 10

  /// - Throws: `GraftError` if more than `maximumBad` images are unreadable
  static func open(
    _ path: String, for purpose: ImageDataset.Purpose, maximumBad: Int, _ compute: ComputeOptions
  ) throws -> ImageDataset {
    let (dataset, bad) = try ImageDataset.open(path, for: purpose).checked(
      .pixels, maximumBad: maximumBad, threads: compute.threadCount)
    for remark in dataset.remarks { CommandLineProgram.note(remark) }
    for image in bad.prefix(shownCount) {
      CommandLineProgram.warn("\(image.place): \(image.reason); skipped")
    }
    if bad.count > shownCount {
      CommandLineProgram.warn("\(bad.count) unreadable images in all")
    }
    CommandLineProgram.note("\(path): \(dataset.summary)")
    return dataset
  }
}
