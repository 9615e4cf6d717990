import Graft
import GraftData
import GraftTraining
import GraftVision

extension TrainingOptions {
  /// Writes a sheet of images as training would see them.
  func writePreview(
    to path: String, _ recipe: Recipe, _ dataset: ImageDataset
  ) throws {
    let data = try dataset.split(SplitShares(recipe.split), seed: recipe.seed)
    let (_, preprocessing, _) = try TransferModel.make(recipe, classNames: data.classNames) { _ in }
    let sheet = try AugmentationSheet(
      recipe, training: data.training, preprocessing: preprocessing)
    try sheet.image().writePNG(to: path)
    try print("\(path): original images, then as training sees them in its first epochs")
  }
}
