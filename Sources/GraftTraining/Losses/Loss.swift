import GraftRuntime

/// What training makes small; each in a file of its own, made of nodes.
///
/// All losses are means over a batch; those of several numbers for each sample are means over these, too, as in
/// Keras.
package protocol Loss: Sendable {
  /// The name that recipes use.
  static var name: String { get }

  /// The loss with its defaults.
  init()

  /// The type of the targets for scores of `[N, K]`.
  func targetType(classCount: Int) -> TensorType

  /// Appends nodes for the mean over a batch.
  ///
  /// - Parameters:
  ///   - scores: `[N, K]`, float; logits unless the loss says otherwise
  ///   - targets: of ``targetType(classCount:)``
  /// - Returns: a scalar
  /// - Throws: `GraftError` if the loss's settings are wrong.
  func append(to graph: inout Graph, scores: ValueID, targets: ValueID) throws -> ValueID
}

/// The losses that recipes can name.
package enum Losses {
  package static let all: [any Loss.Type] = [
    SoftmaxCrossEntropy.self,
    CategoricalCrossEntropy.self,
    BinaryCrossEntropy.self,
    ProbabilityCrossEntropy.self,
    MeanSquaredError.self,
    MeanAbsoluteError.self,
    HuberLoss.self,
    PoissonLoss.self,
    HingeLoss.self,
    SquaredHingeLoss.self,
    PerceptronLoss.self,
  ]

  /// The loss of this name, with its defaults.
  ///
  /// - Throws: `GraftError` that lists the names, if there is none.
  package static func named(_ name: String) throws -> any Loss {
    guard let type = all.first(where: { $0.name == name }) else {
      throw GraftError.usage(
        "there is no loss '\(name)'",
        hint: "Use one of: \(all.map { $0.name }.joined(separator: ", "))")
    }
    return type.init()
  }
}
