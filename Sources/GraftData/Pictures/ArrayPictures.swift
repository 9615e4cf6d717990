import GraftTensor

/// Makes data sets of arrays with pictures and arrays with their labels, divided into parts or not.
struct ArrayPictures {
  /// Where the arrays of a part come from.
  struct Arrays {
    let pictures: () throws -> Tensor
    /// What messages call the pictures.
    let place: String
    let labels: () throws -> Tensor
    let labelsPlace: String
  }

  /// Classes beyond this number are no classes, but some other quantity.
  private static let classLimit = 100_000

  let place: String
  let training: Arrays
  let validation: Arrays?
  let test: Arrays?

  /// The classes are the numbers from 0 to the largest label for training.
  func dataset() throws -> PictureDataset {
    let items = try items(training)
    let classCount = 1 + max(0, items.lazy.map(\.label).max() ?? 0)
    return PictureDataset(
      place: place, classNames: (0..<classCount).map(String.init), items: items,
      validationItems: try validation.map(self.items) ?? [],
      testItems: try test.map(self.items) ?? [])
  }

  private func items(_ arrays: Arrays) throws -> [PictureDataset.Item] {
    let tensor = try arrays.labels()
    let labels = try withPlace(arrays.labelsPlace) {
      guard tensor.rank == 1 || tensor.rank == 2 && tensor.shape[1] == 1 else {
        throw GraftError.badData("has labels of shape \(tensor.shape)", hint: "[N] is read.")
      }
      let labels = try tensor.integers()
      if let wrong = labels.first(where: { !(0..<Self.classLimit).contains($0) }) {
        throw GraftError.badData("has the label \(wrong), which is no class")
      }
      return labels
    }
    return try PictureSamples(arrays.pictures(), place: arrays.place).items(labels: labels)
  }
}
