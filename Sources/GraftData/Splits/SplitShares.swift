import GraftFiles

/// The shares of training, validation and test in a dataset.
package struct SplitShares: Sendable, Hashable {
  /// Fractions that add up to one.
  package let training: Double
  package let validation: Double
  package let test: Double

  package static let standard = SplitShares(training: 0.7, validation: 0.15, test: 0.15)

  private init(training: Double, validation: Double, test: Double) {
    self.training = training
    self.validation = validation
    self.test = test
  }

  /// Percentages: `70,15,15` for training, validation and test; `80,20` for training and
  /// validation.
  ///
  /// - Throws: `GraftError` if the text is not two or three percentages, they do not add up to 100,
  ///   or nothing is left for training
  package init(_ text: String) throws {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      Double(decimal: part.drop { $0 == " " }).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
    }
    guard numbers.count == parts.count, (2...3).contains(numbers.count) else {
      throw GraftError.usage("invalid split '\(text)'", hint: Self.hint)
    }
    let sum = numbers.reduce(0, +)
    guard abs(sum - 100) < 1e-6 else {
      throw GraftError.usage(
        "the split '\(text)' adds up to \(Self.text(sum)), not 100", hint: Self.hint)
    }
    guard numbers[0] > 0 else {
      throw GraftError.usage("the split '\(text)' leaves nothing for training", hint: Self.hint)
    }
    self.init(
      training: numbers[0] / sum, validation: numbers[1] / sum,
      test: numbers.count > 2 ? numbers[2] / sum : 0)
  }

  private static let hint =
    "Use percentages for training, validation and test: 70,15,15; or 80,20 without a test"

  fileprivate static func text(_ percentage: Double) -> String {
    let rounded = (percentage * 1e6).rounded() / 1e6
    return Int(exactly: rounded).map(String.init) ?? "\(rounded)"
  }
}

extension SplitShares: CustomStringConvertible {
  package var description: String {
    let numbers = test > 0 ? [training, validation, test] : [training, validation]
    return numbers.map { Self.text($0 * 100) }.joined(separator: ",")
  }
}

/// The parts of a dataset.
package struct DatasetSplit: Sendable {
  package var classNames: [String]
  package var training: [ImageDataset.Item]
  package var validation: [ImageDataset.Item]
  package var test: [ImageDataset.Item]
}
