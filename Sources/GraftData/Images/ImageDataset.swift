import GraftFiles
import GraftVision

/// Images with a class each.
package struct ImageDataset: Sendable {
  /// An image and its class.
  package struct Item: Sendable {
    package var image: ImageSource
    /// The class, as an index of ``ImageDataset/classNames``.
    package var label: Int

    package init(image: ImageSource, label: Int) {
      self.image = image
      self.label = label
    }
  }

  /// Where an image comes from. Nothing is decoded before ``image(applyingOrientation:)``.
  package enum ImageSource: Sendable {
    /// A file on disk.
    case file(String)
    /// An image file unpacked from an archive.
    case encoded(FileBytes, place: String)
    /// One of many images that lie in one file as they are.
    case samples(ImageSamples, index: Int)
  }

  /// What messages call the data set: its path.
  package var place: String
  package var classNames: [String]
  /// The images that a split divides.
  package var items: [Item]
  /// What the data set's makers set apart for validation.
  package var validationItems: [Item]
  /// What the data set's makers set apart for testing.
  package var testItems: [Item]
  /// What people should know of the data, one sentence each: what was guessed.
  package var remarks: [String]
  /// The files that are not used.
  package var leftOut = LeftOutFiles()
  /// What the images are for.
  package var purpose = Purpose.training

  /// What images are for.
  package enum Purpose: Sendable {
    /// Which takes two classes at least.
    case training
    /// Of a model that knows its classes; one may be enough.
    case evaluation
  }

  package init(
    place: String, classNames: [String], items: [Item], validationItems: [Item] = [],
    testItems: [Item] = [], remarks: [String] = []
  ) {
    self.place = place
    self.classNames = classNames
    self.items = items
    self.validationItems = validationItems
    self.testItems = testItems
    self.remarks = remarks
  }

  /// How many of `items` each class has.
  package func counts(of items: [Item]) -> [Int] {
    var counts = [Int](repeating: 0, count: classNames.count)
    for item in items { counts[item.label] += 1 }
    return counts
  }

  /// Images of all parts.
  package var imageCount: Int { items.count + validationItems.count + testItems.count }

  /// How many files were found, taken and left out, and why, in a line.
  package var summary: String { leftOut.summary(taken: imageCount) }

  /// Removes classes that have no images at all, and says so.
  mutating func removeEmptyClasses() {
    let used = Set((items + validationItems + testItems).map(\.label))
    let empty = classNames.indices.filter { !used.contains($0) }
    guard !empty.isEmpty, !used.isEmpty, used.allSatisfy(classNames.indices.contains) else {
      return
    }
    let names = empty.map { "'\(classNames[$0])'" }
    remarks.append(
      names.count == 1
        ? "the class \(names[0]) has no images and is left out"
        : "\(names.count) classes have no images and are left out: \(Self.enumeration(names))")
    let kept = classNames.indices.filter(used.contains)
    let positions = Dictionary(uniqueKeysWithValues: zip(kept, kept.indices))
    for part in [\ImageDataset.items, \.validationItems, \.testItems] {
      for index in self[keyPath: part].indices {
        let label = self[keyPath: part][index].label
        self[keyPath: part][index].label = positions[label] ?? label
      }
    }
    classNames = kept.map { classNames[$0] }
  }

  /// Checks what would make training fail or mean nothing.
  ///
  /// - Throws: `GraftError` if there are fewer than two classes, two of one name, a class without
  ///   images to train with, or a label that is no class.
  package func validate() throws {
    try withPlace(place) {
      guard !items.isEmpty || purpose == .evaluation && imageCount > 0 else {
        throw GraftError.badData(
          purpose == .training ? "has no images to train with" : "has no images",
          hint: leftOut.total > 0 ? "Left out are \(leftOut)." : nil)
      }
      guard classNames.count > (purpose == .training ? 1 : 0) else {
        throw GraftError.badData(
          "has images of one class only ('\(classNames.first ?? "")')",
          hint: "Telling classes apart takes two at least.")
      }
      guard Set(classNames.map { Array($0.utf8) }).count == classNames.count else {
        throw GraftError.badData("has two classes of the same name")
      }
      for part in [items, validationItems, testItems] {
        if let item = part.first(where: { !classNames.indices.contains($0.label) }) {
          throw GraftError.badData(
            "\(item.image.place): has the label \(item.label), but there are "
              + "\(classNames.count) classes (0 to \(classNames.count - 1))")
        }
      }
      guard purpose == .training else { return }
      let empty = zip(classNames, counts(of: items)).filter { $0.1 == 0 }.map { "'\($0.0)'" }
      guard empty.isEmpty else {
        throw GraftError.badData(
          empty.count == 1
            ? "class \(empty[0]) has no images to train with"
            : "\(empty.count) classes have no images to train with: \(Self.enumeration(empty))",
          hint: "Add images, or remove the class from all parts.")
      }
    }
  }

  /// The first few of many names, in words.
  static func enumeration(_ names: [String], limit: Int = 5) -> String {
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
  }
}

extension ImageDataset.Item {
  /// The image, decoded.
  package func image(applyingOrientation: Bool = true) throws -> Image {
    try image.image(applyingOrientation: applyingOrientation)
  }
}

extension ImageDataset.ImageSource {
  /// What messages call the image.
  package var place: String {
    switch self {
    case .file(let path): path
    case .encoded(_, let place): place
    case .samples(let samples, let index): "\(samples.place): image \(index)"
    }
  }

  /// The image, decoded: red, green and blue, or grey if the samples are.
  ///
  /// - Parameter applyingOrientation: whether to turn the image upright if its EXIF data or XMP packet say how
  package func image(applyingOrientation: Bool = true) throws -> Image {
    switch self {
    case .file(let path):
      try Image.read(path, applyingOrientation: applyingOrientation)
    case .encoded(let bytes, let place):
      try bytes.withUnsafeBytes {
        try Image.decode($0, place: place, applyingOrientation: applyingOrientation)
      }
    case .samples(let samples, let index): try samples.image(at: index)
    }
  }
}
