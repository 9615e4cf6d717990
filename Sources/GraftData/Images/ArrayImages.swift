import GraftFiles
import GraftTensor

/// Makes datasets from arrays of images and labels, with or without parts.
struct ArrayImages {
  /// The arrays of one part.
  struct Arrays {
    let images: () throws -> Tensor
    /// The images' name in messages.
    let place: String
    let labels: () throws -> Tensor
    let labelsPlace: String
  }

  /// Larger labels are some other quantity, not classes.
  private static let classLimit = 100_000

  let place: String
  let training: Arrays
  let validation: Arrays?
  let test: Arrays?

  /// The classes are the distinct training labels, named by their numbers.
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
        "the classes are the labels found: "
          + ImageDataset.enumeration(numbers.map(String.init)))
    }
    return result
  }

  private func items(_ arrays: Arrays) throws -> [ImageDataset.Item] {
    let tensor = try arrays.labels()
    let labels = try withPlace(arrays.labelsPlace) {
      guard tensor.rank == 1 || tensor.rank == 2 && tensor.shape[1] == 1 else {
        throw GraftError.badData("has labels of shape \(tensor.shape)", hint: "Use the shape [N]")
      }
      let labels = try tensor.integers()
      if let wrong = labels.first(where: { !(0..<Self.classLimit).contains($0) }) {
        throw GraftError.badData("has the label \(wrong), which is not a class")
      }
      return labels
    }
    return try ImageSamples(arrays.images(), place: arrays.place).items(labels: labels)
  }
}
