import GraftTraining

/// `evaluation.json`: the output of `graft evaluate --json`, and notes for the user, if any.
struct RunEvaluation: Encodable {
  let result: EvaluationResult
  let notes: [String]

  private enum CodingKeys: String, CodingKey { case notes }

  func encode(to encoder: any Encoder) throws {
    try result.encode(to: encoder)
    guard !notes.isEmpty else { return }
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(notes, forKey: .notes)
  }
}
