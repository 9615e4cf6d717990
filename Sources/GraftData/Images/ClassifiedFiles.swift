import GraftFiles

/// Image files by class name. Names are compared by bytes.
struct ClassifiedFiles {
  private var classes: [(name: String, files: [DataFile])] = []

  /// A class for each subfolder with images at any depth.
  static func byFolder(_ folder: DataFolder) -> ClassifiedFiles {
    var result = ClassifiedFiles()
    result.classes = folder.foldersWithImages.map { ($0.name, $0.allImages) }
    result.sort()
    return result
  }

  /// A class for each prefix of a name before its final number: `cat.0.jpg`, `cat_1.jpg`.
  ///
  /// - Throws: `GraftError` if an image's name has no such prefix
  static func byName(_ folder: DataFolder) throws -> ClassifiedFiles {
    var files: [[UInt8]: [DataFile]] = [:]
    for image in folder.images {
      guard let name = className(of: image.name) else {
        throw GraftError.badData(
          "its name has no class",
          hint: "Name images cat.0.jpg, cat_0.jpg, cat-0.jpg or cat (0).jpg, or put each class in "
            + "a folder"
        ).at(image.place)
      }
      files[Array(name.utf8), default: []].append(image)
    }
    var result = ClassifiedFiles()
    result.classes = files.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    result.sort()
    return result
  }

  /// `cat` for `cat.0.jpg`, `cat_0.jpg`, `cat-0.jpg`, `cat 0.jpg`, `cat (0).jpg` and
  /// `cat.kitty.jpg`; `nil` for `0.jpg`, and for ambiguous names such as `frame_12_0.jpg`.
  static func className(of fileName: String) -> String? {
    guard let dot = fileName.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
    let stem = fileName.utf8[..<dot]
    if let name = withoutNumber(stem) {
      let isAmbiguous = withoutNumber(name) != nil || name.allSatisfy { !isLetter($0) }
      return isAmbiguous ? nil : String(name)
    }
    let first = stem.prefix { $0 != UInt8(ascii: ".") }
    return first.count < stem.count && !first.isEmpty ? String(first) : nil
  }

  /// The part before a separator and a final number; `nil` if there are none.
  private static func withoutNumber(_ stem: Substring.UTF8View) -> Substring.UTF8View? {
    let isBracketed = stem.last == UInt8(ascii: ")")
    var rest = isBracketed ? stem.dropLast() : stem
    let digitCount = rest.reversed().prefix { (0x30...0x39).contains($0) }.count
    guard digitCount > 0 else { return nil }
    rest = rest.dropLast(digitCount)
    if isBracketed {
      guard rest.last == UInt8(ascii: "(") else { return nil }
      rest = rest.dropLast()
    }
    let separatorCount = rest.reversed().prefix { separators.contains($0) }.count
    guard separatorCount > 0 || isBracketed else { return nil }
    rest = rest.dropLast(separatorCount)
    return rest.isEmpty ? nil : rest
  }

  private static let separators = Set("._- ".utf8)

  /// Letters beyond ASCII count too.
  private static func isLetter(_ byte: UInt8) -> Bool {
    byte >= 0x80 || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }

  private mutating func sort() {
    classes.sort { NaturalOrder.precedes($0.name, $1.name) }
  }

  /// The names of the classes, in natural order.
  var names: [String] { classes.map(\.name) }

  /// The images by class, with the indices of their classes in `names`.
  ///
  /// - Throws: `GraftError` if a class is not among `names`
  func items(classNames: [String], place: String) throws -> [ImageDataset.Item] {
    let labels = Dictionary(
      uniqueKeysWithValues: zip(classNames.map { Array($0.utf8) }, classNames.indices))
    return try classes.flatMap { name, files -> [ImageDataset.Item] in
      guard let label = labels[Array(name.utf8)] else {
        throw GraftError.badData(
          "has the class '\(name)', which is not a training class",
          hint: "Training has \(ImageDataset.enumeration(classNames.map { "'\($0)'" }))"
        )
        .at(place)
      }
      return files.map { ImageDataset.Item(image: $0.imageSource, label: label) }
    }
  }
}
