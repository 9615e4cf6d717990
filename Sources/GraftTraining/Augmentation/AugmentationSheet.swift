import GraftData
import GraftFiles
import GraftVision

/// Images next to their augmented versions, as training will see them: a row per image, with the
/// original first, then the first epochs.
package struct AugmentationSheet {
  private static let rowCount = 8
  private static let variantCount = 7
  /// The white space between images, in pixels.
  private static let gap = 4
  /// The range of the side of images on the sheet; smaller ones are enlarged by an integer factor.
  private static let sides = 96...256

  private let batches: ImageBatches
  private let recipe: Recipe

  /// - Parameters:
  ///   - training: the training images
  ///   - preprocessing: makes all images equally large
  /// - Throws: `GraftError` if the recipe has no augmentation
  package init(
    _ recipe: Recipe, training: [ImageDataset.Item], preprocessing: Preprocessing
  ) throws {
    guard let augmentation = try recipe.augmentation else {
      throw GraftError.usage(
        "there is nothing to preview: the recipe has no augmentation",
        hint: "Use --augment, such as flip,crop(4)")
    }
    self.recipe = recipe
    batches = try ImageBatches(
      training, preprocessing, threadCount: 1, trainingCount: training.count,
      augmentation: augmentation)
  }

  /// The sheet with at most eight rows, cycling through the classes.
  ///
  /// - Throws: `GraftError` that names the first unreadable image
  package func image() throws -> Image {
    let rows = try numbers().map { number in
      try withPlace(batches.items[number].image.place) {
        try [batches.prepared(number)]
          + (0..<AugmentationSheet.variantCount).map { epoch in
            try batches.image(
              number,
              in: AugmentationRound(
                seed: recipe.seed, phase: 0, epoch: epoch,
                variantCount: recipe.cachedAugmentations))
          }
      }.map(fitted)
    }
    guard let first = rows.first?.first else { throw GraftError.badData("there are no images") }
    let gap = AugmentationSheet.gap
    let (stepX, stepY) = (first.width + gap, first.height + gap)
    let width = rows[0].count * stepX + gap
    return try Image(
      width: width, height: rows.count * stepY + gap, channelCount: first.channelCount
    ) { target in
      target.update(repeating: 255)
      for (row, images) in rows.enumerated() {
        for (column, image) in images.enumerated() {
          image.withUnsafeSamples { source in
            let length = image.width * image.channelCount
            for y in 0..<image.height {
              let start = ((row * stepY + gap + y) * width + column * stepX + gap)
              for index in 0..<length {
                target[start * image.channelCount + index] = source[y * length + index]
              }
            }
          }
        }
      }
    }
  }

  /// The images, cycling through the classes.
  private func numbers() -> [Int] {
    let classes = Dictionary(grouping: batches.items.indices) { batches.items[$0].label }
    let columns = classes.sorted { $0.key < $1.key }.map(\.value)
    let turns = (0..<AugmentationSheet.rowCount).lazy.flatMap { turn in
      columns.compactMap { $0.indices.contains(turn) ? $0[turn] : nil }
    }
    return Array(turns.prefix(AugmentationSheet.rowCount))
  }

  private func fitted(_ image: Image) throws -> Image {
    let sides = AugmentationSheet.sides
    let longer = max(image.width, image.height)
    if longer > sides.upperBound {
      let scale = Double(sides.upperBound) / Double(longer)
      return try image.resized(
        to: ImageSize(
          width: max(1, Int(Double(image.width) * scale)),
          height: max(1, Int(Double(image.height) * scale))), .bilinear)
    }
    let factor = max(1, sides.lowerBound / longer)
    return try image.resized(
      to: ImageSize(width: image.width * factor, height: image.height * factor), .nearest)
  }
}
