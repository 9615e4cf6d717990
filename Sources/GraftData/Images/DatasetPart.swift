/// The parts of a dataset, recognized by common names.
enum DatasetPart: String, Sendable, CaseIterable {
  case training
  case validation
  case test

  /// Recognizes `train`, `Training_Set`, `test-data`, `val2017`, `holdout` and similar names; `nil`
  /// for others.
  init?(name: String) {
    let separated = name.lowercased().split { !$0.isLetter }.map(String.init)
    let words = separated.filter { !Self.fillers.contains($0) }
    guard !words.isEmpty else { return nil }
    var word = words.joined()
    if let part = Self.names[word] {
      self = part
      return
    }
    // trainset, testdata, trainingimages
    for filler in Self.fillers where word.hasSuffix(filler) {
      word.removeLast(filler.count)
      if let part = Self.names[word] {
        self = part
        return
      }
      word += filler
    }
    return nil
  }

  /// Whether the name is so common that it needs no remark.
  static func isPlain(_ name: String) -> Bool {
    ["train", "training", "val", "valid", "validation", "test", "testing"]
      .contains(name.lowercased())
  }

  private static let names: [String: DatasetPart] = [
    "train": .training, "training": .training, "trn": .training, "trainval": .training,
    "val": .validation, "valid": .validation, "validation": .validation, "validate": .validation,
    "validating": .validation, "dev": .validation, "devel": .validation,
    "development": .validation, "eval": .validation, "evaluate": .validation,
    "evaluation": .validation, "holdout": .validation, "heldout": .validation,
    "test": .test, "tests": .test, "testing": .test, "tst": .test,
  ]

  private static let fillers: Set<String> = [
    "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "picture",
    "pictures", "pic", "pics", "photo", "photos", "sample", "samples", "example", "examples",
    "split", "part", "partition", "subset", "folder", "files",
  ]
}
