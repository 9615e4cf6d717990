import GraftFiles

extension ImageDataset {
  /// Divides the images by class and at random, the same way for the same seed.
  ///
  /// Parts that the data set's makers set apart stay as they are; then ``items`` make up the others,
  /// in the proportions that `shares` gives those.
  ///
  /// - Throws: `GraftError` if a part that is to have something would get nothing.
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
        hint: "Give it a larger share."
      ).at(place)
    }
    return DatasetSplit(
      classNames: classNames, training: parts[0].map { items[$0] },
      validation: validationItems.isEmpty ? parts[1].map { items[$0] } : validationItems,
      test: testItems.isEmpty ? parts[2].map { items[$0] } : testItems)
  }

  /// Cross-validation: each of ``items`` is in the test part of one fold, and in the training parts
  /// of all others. The parts for validation are empty; what the makers set apart is not used.
  ///
  /// - Throws: `GraftError` for fewer than two folds, or if a class has fewer images than there
  ///   are folds.
  package func folds(count: Int, seed: UInt64) throws -> [DatasetSplit] {
    guard count > 1 else { throw GraftError.usage("cross-validation takes two folds at least") }
    if let label = counts(of: items).firstIndex(where: { $0 < count }) {
      throw GraftError.badData(
        "class '\(classNames[label])' has fewer images than the \(count) folds",
        hint: "Take fewer folds, or add images."
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
