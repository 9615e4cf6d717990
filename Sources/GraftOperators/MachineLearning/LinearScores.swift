import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Weighted sums of features, in double precision: a row of coefficients for each score.
struct LinearScores: Sendable {
  /// `[scores, features]`
  let coefficients: [Float]
  /// Empty, or one for each score.
  let intercepts: [Float]

  init(_ attributes: AttributeReader) throws {
    coefficients = try attributes.required("coefficients", try attributes.floats("coefficients"))
    intercepts = try attributes.floats("intercepts") ?? []
  }

  /// - Throws: `GraftError` if the attributes do not fit to this many scores and features
  func require(scores: Int, features: Dimension) throws {
    guard scores > 0, !coefficients.isEmpty, coefficients.count % scores == 0 else {
      throw GraftError.badData(
        "\(coefficients.count) coefficients do not make \(scores) scores of equally many features")
    }
    try features.requireFeatures(coefficients.count / scores)
    guard intercepts.isEmpty || intercepts.count == scores else {
      throw GraftError.badData("has \(intercepts.count) intercepts for \(scores) scores")
    }
  }

  /// Writes the scores of a row of features.
  func write(
    _ row: UnsafePointer<Double>, featureCount: Int, to scores: UnsafeMutableBufferPointer<Double>,
    _ instructionSet: InstructionSet
  ) {
    guard let target = scores.baseAddress else { return }
    coefficients.withUnsafeBufferPointer { coefficients in
      guard let base = coefficients.baseAddress else { return }
      instructionSet.kernels.pointee.similarity.pointee.products(
        row, base, Int64(scores.count), Int64(featureCount), target)
    }
    for (index, intercept) in intercepts.enumerated() { scores[index] += Double(intercept) }
  }
}
