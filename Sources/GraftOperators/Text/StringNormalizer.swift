import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Removes stop words from strings `[C]` or `[1, C]`, and changes the case of the others. Nothing
/// left is one empty string.
///
/// ONNX's reference implementation also removes accents, stop words inside of strings, and empty
/// strings, of which the specification says nothing. Case is ignored as onnxruntime does it: after
/// both sides were changed to the case that the output has, or to lowercase.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__StringNormalizer.html>
struct StringNormalizer: Operator {
  static let schema = OperatorSchema("StringNormalizer", since: [10], inputs: 1...1)

  private enum CaseChange: String, CaseIterable {
    case none = "NONE"
    case lower = "LOWER"
    case upper = "UPPER"
  }

  private let change: CaseChange
  private let isCaseSensitive: Bool
  private let mapping: CaseMapping
  /// As they are compared.
  private let stopWords: Set<ByteString>

  init(_ attributes: AttributeReader) throws {
    let choice = try attributes.choice(
      "case_change_action", default: CaseChange.none.rawValue,
      of: CaseChange.allCases.map(\.rawValue))
    change = CaseChange(rawValue: choice) ?? .none
    isCaseSensitive = try attributes.flag("is_case_sensitive")
    mapping = CaseMapping(locale: try attributes.string("locale", default: ""))
    let words = try attributes.strings("stopwords") ?? []
    let (mapping, change, isCaseSensitive) = (mapping, change, isCaseSensitive)
    stopWords = Set(
      words.map {
        ByteString(
          isCaseSensitive ? $0 : Self.changed($0, change == .upper ? .upper : .lower, mapping))
      })
  }

  private static func changed(
    _ text: String, _ change: CaseChange, _ mapping: CaseMapping
  ) -> String {
    switch change {
    case .none: text
    case .lower: mapping.lowercased(text)
    case .upper: mapping.uppercased(text)
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.string])
    let shape = try context.shape(0)
    guard shape.count == 1 || shape.count == 2 && shape[0].isCompatible(with: 1) else {
      throw GraftError.badData("input 0 has the shape \(shape); expected [C] or [1, C]")
    }
    let keepsAll = stopWords.isEmpty && (shape.last?.known ?? 0) > 0
    context.setOutput(
      0, .string, shape.dropLast().map { _ in 1 } + [keepsAll ? shape[shape.count - 1] : .unknown])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .dynamic { inputs in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      let isStopWord = { (text: String) in
        stopWords.contains(
          ByteString(
            isCaseSensitive
              ? text : Self.changed(text, change == .upper ? .upper : .lower, mapping)))
      }
      let kept = stopWords.isEmpty ? input.strings : input.strings.filter { !isStopWord($0) }
      let strings = kept.isEmpty ? [""] : kept.map { Self.changed($0, change, mapping) }
      let shape = Array(repeating: 1, count: input.rank - 1) + [strings.count]
      return [.tensor(try Tensor(strings: strings, shape: shape))]
    }
  }

  static var examples: [OperatorExample] {
    let days = Tensor.strings(["monday", "tuesday", "Wednesday", "thursday"], [4])
    return [
      OperatorExample(
        "lowercase without stop words",
        attributes: ["case_change_action": .string("LOWER")], inputs: [days],
        outputs: [.strings(["monday", "tuesday", "wednesday", "thursday"], [4])]),
      OperatorExample(
        "stop words in any case, a matrix",
        attributes: [
          "case_change_action": .string("UPPER"), "stopwords": .strings(["MONDAY", "wednesday"]),
        ],
        inputs: [.strings(["monday", "tuesday", "Wednesday", "thursday"], [1, 4])],
        outputs: [.strings(["TUESDAY", "THURSDAY"], [1, 2])]),
      OperatorExample(
        "stop words in this case",
        attributes: [
          "is_case_sensitive": .int(1), "stopwords": .strings(["Monday", "Wednesday"]),
        ],
        inputs: [days], outputs: [.strings(["monday", "tuesday", "thursday"], [3])]),
      OperatorExample(
        "nothing is left",
        attributes: [
          "case_change_action": .string("LOWER"), "is_case_sensitive": .int(1),
          "stopwords": .strings(["a"]),
        ],
        inputs: [.strings(["a", "a"], [2])], outputs: [.strings([""], [1])]),
      OperatorExample(
        "Turkish",
        attributes: [
          "case_change_action": .string("UPPER"), "locale": .string("tr_TR"),
          "stopwords": .strings(["IĞDIR"]),
        ],
        inputs: [.strings(["ığdır", "izmir"], [2])], outputs: [.strings(["İZMİR"], [1])]),
    ]
  }
}
