import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Splits strings into tokens: `[C]` → `[C, D]`, `[N, C]` → `[N, C, D]`, filled up with
/// `pad_value`.
///
/// It is not of ONNX but of onnxruntime; all converted text vectorizers of scikit-learn have it.
/// Tokens are what `tokenexp` matches, or what is between matches of `separators`; an empty
/// separator separates all characters. With `mark`, tokens are between U+0002 and U+0003.
///
/// Specification: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct Tokenizer: Operator {
  static let schema = OperatorSchema(
    "Tokenizer", domain: OperatorDomain.microsoft, since: [1], inputs: 1...1)

  private let tokens: RegularExpressionProgram?
  private let separators: [RegularExpressionProgram]
  private let isByCharacter: Bool
  private let padValue: String
  private let leastLength: Int
  private let hasMarks: Bool

  init(_ attributes: AttributeReader) throws {
    hasMarks = try attributes.required("mark", try attributes.int("mark")) != 0
    padValue = try attributes.required("pad_value", try attributes.string("pad_value"))
    leastLength = try attributes.required("mincharnum", try attributes.int("mincharnum"))
    guard leastLength > 0 else {
      throw GraftError.badData("'mincharnum' is \(leastLength); expected a positive number")
    }
    let expression = try attributes.string("tokenexp")
    let separators = try attributes.strings("separators") ?? []
    guard (expression != nil) != !separators.isEmpty else {
      throw GraftError.badData("needs either 'tokenexp' or 'separators'")
    }
    tokens = try expression.map { text in
      try withPlace("attribute 'tokenexp'") { try RegularExpressionParser.program(text) }
    }
    isByCharacter = separators == [""]
    self.separators = try separators.filter { !$0.isEmpty }.map { text in
      try withPlace("attribute 'separators'") { try RegularExpressionParser.program(text) }
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .string, nil)
    try context.require(0, [.string])
    let shape = try context.shape(0)
    guard (1...2).contains(shape.count) else {
      throw GraftError.badData("input 0 has shape \(shape); expected [C] or [N, C]")
    }
    context.setOutput(0, .string, shape + [.unknown])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .growing { inputs, memory in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      var search = Search(self)
      let rows = try input.strings.map { try search.tokens(of: $0) }
      let length = rows.map(\.count).max() ?? 0
      let shape = input.shape + [length]
      try memory.require([Tensor.memoryByteCount(.string, shape)])
      let strings = rows.flatMap { row in
        row + [String](repeating: padValue, count: length - row.count)
      }
      return [.tensor(try Tensor(strings: strings, shape: shape))]
    }
  }

  /// The searches of one run.
  private struct Search {
    private let operation: Tokenizer
    private var tokens: RegularExpressionSearch?
    private var separators: [RegularExpressionSearch]

    init(_ operation: Tokenizer) {
      self.operation = operation
      tokens = operation.tokens.map { RegularExpressionSearch($0) }
      separators = operation.separators.map { RegularExpressionSearch($0) }
    }

    mutating func tokens(of text: String) throws -> [String] {
      var found: [String]
      if operation.isByCharacter {
        found = text.unicodeScalars.map { String($0) }
      } else if tokens != nil {
        found = try matches(in: text)
      } else {
        found = [text]
        for index in separators.indices { found = try found.flatMap { try parts(of: $0, index) } }
      }
      found = found.filter { $0.unicodeScalars.count >= operation.leastLength }
      return operation.hasMarks ? ["\u{2}"] + found + ["\u{3}"] : found
    }

    private mutating func matches(in text: String) throws -> [String] {
      let bytes = Array(text.utf8)
      var found: [String] = []
      var position = 0
      while let match = try tokens?.firstMatch(bytes, from: position) {
        found.append(String(decoding: bytes[match], as: UTF8.self))
        position = match.isEmpty ? match.upperBound + 1 : match.upperBound
        if position > bytes.count { break }
      }
      return found
    }

    private mutating func parts(of text: String, _ index: Int) throws -> [String] {
      let bytes = Array(text.utf8)
      var found: [String] = []
      var start = 0
      var position = 0
      while position <= bytes.count,
        let match = try separators[index].firstMatch(bytes, from: position)
      {
        guard !match.isEmpty else {
          position = match.upperBound + 1
          continue
        }
        found.append(String(decoding: bytes[start..<match.lowerBound], as: UTF8.self))
        start = match.upperBound
        position = start
      }
      found.append(String(decoding: bytes[start...], as: UTF8.self))
      return found
    }
  }

  static var examples: [OperatorExample] {
    let texts = Tensor.strings(["a red house", "tree", ""], [3])
    let common: [ByteString: Attribute] = [
      "mark": .int(0), "pad_value": .string("#"), "mincharnum": .int(2),
    ]
    return [
      OperatorExample(
        "words", attributes: common.merging(["tokenexp": .string("[a-z]+")]) { $1 },
        inputs: [texts],
        outputs: [.strings(["red", "house", "tree", "#", "#", "#"], [3, 2])]),
      OperatorExample(
        "separated, with marks",
        attributes: common.merging([
          "separators": .strings([" ", "u+"]), "mark": .int(1), "mincharnum": .int(1),
        ]) { $1 }, inputs: [.strings(["a red house", "tree"], [2, 1])],
        outputs: [
          .strings(
            ["\u{2}", "a", "red", "ho", "se", "\u{3}", "\u{2}", "tree", "\u{3}", "#", "#", "#"],
            [2, 1, 6])
        ]),
      OperatorExample(
        "characters",
        attributes: common.merging(["separators": .strings([""]), "mincharnum": .int(1)]) { $1 },
        inputs: [.strings(["aä", "b"], [2])], outputs: [.strings(["a", "ä", "b", "#"], [2, 2])]),
    ]
  }
}
