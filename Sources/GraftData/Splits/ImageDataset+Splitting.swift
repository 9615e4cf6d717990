import GraftFiles

extension ImageDataset {
  /// Splits the images randomly within each class, deterministically for a seed.
  ///
  /// The dataset's own validation and test parts stay as they are; ``items`` are divided among the
  /// other parts in proportion to their `shares`.
  ///
  /// - Throws: `GraftError` if a part with a share would be empty
  package func split(_ shares: SplitShares, seed: UInt64) throws -> DatasetSplit {
    let wanted = [
      shares.training, validationItems.isEmpty ? shares.validation : 0,
      testItems.isEmpty ? shares.test : 0,
    ]
    let sum = wanted.reduce(0, +)
    let parts = stratification(seed: seed).parts(shares: wanted.map { $0 / sum })
    for (part, name) in ["training", "validation", "test"].enumerated()
    where wanted[part] > 0 && parts[part].isEmpty {
      throw GraftError.badData(
        "\(items.count) images split \(shares) leave nothing for \(name)",
        hint: "Use a larger share"
      ).at(place)
    }
    return DatasetSplit(
      classNames: classNames, training: parts[0].map { items[$0] },
      validation: validationItems.isEmpty ? parts[1].map { items[$0] } : validationItems,
      test: testItems.isEmpty ? parts[2].map { items[$0] } : testItems)
  }

  /// Cross-validation: each of ``items`` is in the test part of one fold, and in the training parts
  /// of all others. There are no validation parts; the dataset's own parts are not used.
  ///
  /// - Throws: `GraftError` for fewer than two folds, or if a class has fewer images than there are
  ///   folds
  package func folds(count: Int, seed: UInt64) throws -> [DatasetSplit] {
    guard count > 1 else { throw GraftError.usage("cross-validation needs at least two folds") }
    if let label = counts(of: items).firstIndex(where: { $0 < count }) {
      throw GraftError.badData(
        "class '\(classNames[label])' has fewer images than the \(count) folds",
        hint: "Use fewer folds, or add images"
      ).at(place)
    }
    let parts = stratification(seed: seed).equalParts(count)
    var foldOfItem = [Int](repeating: 0, count: items.count)
    for (fold, indices) in parts.enumerated() {
      for index in indices { foldOfItem[index] = fold }
    }
    return parts.indices.map { fold in
      DatasetSplit(
        classNames: classNames,
        training: items.indices.filter { foldOfItem[$0] != fold }.map { items[$0] },
        validation: [], test: parts[fold].map { items[$0] })
    }
  }

  private func stratification(seed: UInt64) -> Stratification {
    Stratification(labels: items.map(\.label), classCount: classNames.count, seed: seed)
  }
}
