import GraftFiles
import GraftTensor

/// Makes data sets of arrays with images and arrays with their labels, divided into parts or not.
struct ArrayImages {
  /// Where the arrays of a part come from.
  struct Arrays {
    let images: () throws -> Tensor
    /// What messages call the images.
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

  /// The classes are the numbers that occur among the labels for training, and are called so.
  func dataset() throws -> ImageDataset {
    let items = try items(training)
    let numbers = Set(items.lazy.map(\.label)).sorted()
    let classes = Dictionary(uniqueKeysWithValues: zip(numbers, numbers.indices))
    func classified(_ items: [ImageDataset.Item]) throws -> [ImageDataset.Item] {
      try items.map { item in
        guard let label = classes[item.label] else {
          throw GraftError.badData(
            "\(item.image.place): has the label \(item.label), but there are "
              + "\(numbers.count) classes: \(ImageDataset.enumeration(numbers.map(String.init)))"
          ).at(place)
        }
        return ImageDataset.Item(image: item.image, label: label)
      }
    }
    var result = ImageDataset(
      place: place, classNames: numbers.map(String.init), items: try classified(items),
      validationItems: try validation.map { try classified(self.items($0)) } ?? [],
      testItems: try test.map { try classified(self.items($0)) } ?? [])
    if numbers != Array(numbers.indices) {
      result.remarks.append(
        "the classes are the numbers that occur: "
          + ImageDataset.enumeration(numbers.map(String.init)))
    }
    return result
  }

  private func items(_ arrays: Arrays) throws -> [ImageDataset.Item] {
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
    return try ImageSamples(arrays.images(), place: arrays.place).items(labels: labels)
  }
}
