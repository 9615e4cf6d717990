import GraftRuntime

/// Losses by the names that recipes use.
package enum Losses {
  /// - Throws: `GraftError` for an unknown name.
  package static func named(_ name: String) throws -> any Loss {
    switch name {
    case SoftmaxCrossEntropy.name: return SoftmaxCrossEntropy()
    case BinaryCrossEntropy.name: return BinaryCrossEntropy()
    default:
      throw GraftError.usage(
        "'\(name)' is no loss",
        hint: "Known are \(SoftmaxCrossEntropy.name), \(BinaryCrossEntropy.name)")
    }
  }
}
