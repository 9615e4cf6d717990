import GraftFiles
import GraftVision

/// Images with classes.
package struct ImageDataset: Sendable {
  /// An image and its class.
  package struct Item: Sendable {
    package var image: ImageSource
    /// The class, as an index into ``ImageDataset/classNames``.
    package var label: Int

    package init(image: ImageSource, label: Int) {
      self.image = image
      self.label = label
    }
  }

  /// The source of an image, which is not decoded before ``image(applyingOrientation:)``.
  package enum ImageSource: Sendable {
    /// A file on disk.
    case file(String)
    /// An image file unpacked from an archive.
    case encoded(FileBytes, place: String)
    /// One of many raw images in one file.
    case samples(ImageSamples, index: Int)
  }

  /// The dataset's name in messages: its path.
  package var place: String
  package var classNames: [String]
  /// The images to split.
  package var items: [Item]
  /// The dataset's own validation images.
  package var validationItems: [Item]
  /// The dataset's own test images.
  package var testItems: [Item]
  /// Remarks for the user, one sentence each, about guesses that were made.
  package var remarks: [String]
  /// The files that are not used.
  package var leftOut = LeftOutFiles()
  /// The use of the images.
  package var purpose = Purpose.training

  /// The use of images.
  package enum Purpose: Sendable {
    /// Needs at least two classes.
    case training
    /// For a model with known classes; one may be enough.
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

  /// The number of `items` in each class.
  package func counts(of items: [Item]) -> [Int] {
    var counts = [Int](repeating: 0, count: classNames.count)
    for item in items { counts[item.label] += 1 }
    return counts
  }

  /// The number of images of all parts.
  package var imageCount: Int { items.count + validationItems.count + testItems.count }

  /// A line with the numbers of files found, used and left out, and the reasons.
  package var summary: String { leftOut.summary(taken: imageCount) }

  /// Removes classes without any images, and adds a remark.
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

  /// Checks for problems that would make training fail or meaningless.
  ///
  /// - Throws: `GraftError` if there are fewer than two classes, two with the same name, a class
  ///   without training images, or an invalid label
  package func validate() throws {
    try withPlace(place) {
      guard !items.isEmpty || purpose == .evaluation && imageCount > 0 else {
        throw GraftError.badData(
          purpose == .training ? "has no images to train with" : "has no images",
          hint: leftOut.total > 0 ? "Left out: \(leftOut)" : nil)
      }
      guard classNames.count > (purpose == .training ? 1 : 0) else {
        throw GraftError.badData(
          "has images of one class only ('\(classNames.first ?? "")')",
          hint: "Classification needs at least two classes")
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
          hint: "Add images, or remove the class from all parts")
      }
    }
  }

  /// The first few of many names, as text.
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
  /// The image's name in messages.
  package var place: String {
    switch self {
    case .file(let path): path
    case .encoded(_, let place): place
    case .samples(let samples, let index): "\(samples.place): image \(index)"
    }
  }

  /// The decoded image: red, green and blue, or grey if the samples are.
  ///
  /// - Parameter applyingOrientation: whether to rotate the image as its EXIF data or XMP packet
  ///   says
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
