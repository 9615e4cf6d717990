import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Splits strings at a delimiter, or at runs of white space, at most `maxsplit` times. A new last
/// axis has the parts, padded with empty strings; the second output has their numbers.
///
/// Where the specification leaves things open, this is Python's `str.split`, as in ONNX's reference
/// implementation: what white space is, and one part for the empty string if there is a delimiter.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__StringSplit.html>
struct StringSplit: Operator {
  static let schema = OperatorSchema("StringSplit", since: [20], inputs: 1...1, outputs: 1...2)

  private let delimiter: Delimiter?
  private let splitLimit: Int

  init(_ attributes: AttributeReader) throws {
    let text = try attributes.string("delimiter", default: "")
    delimiter = text.isEmpty ? nil : Delimiter(text)
    let limit = try attributes.int("maxsplit") ?? -1
    splitLimit = limit < 0 ? .max : limit
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.string])
    context.setOutput(0, .string, nil)
    context.setOutput(1, .int64, nil)
    let shape = try context.shape(0)
    context.setOutput(0, .string, shape + [.unknown])
    context.setOutput(1, .int64, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let wanted = context.outputs.count
    return .growing { inputs, memory in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      let parts = input.strings.map { text in
        delimiter?.parts(of: text, limit: splitLimit) ?? words(of: text)
      }
      let width = parts.map(\.count).max() ?? 0
      let shape = input.shape + [width]
      try memory.require([try Tensor.memoryByteCount(.string, shape)])
      var strings: [String] = []
      strings.reserveCapacity(parts.count * width)
      for parts in parts {
        strings += parts
        strings += repeatElement("", count: width - parts.count)
      }
      let outputs = [
        try Tensor(strings: strings, shape: shape),
        try Tensor(parts.map { Int64($0.count) }, shape: input.shape),
      ]
      return outputs.prefix(wanted).map { .tensor($0) }
    }
  }

  /// What is between runs of white space. After the last split, the rest is one part.
  private func words(of text: String) -> [String] {
    let scalars = text.unicodeScalars
    var parts: [String] = []
    var rest = scalars.drop { $0.separatesWords }
    while !rest.isEmpty {
      guard parts.count < splitLimit else {
        parts.append(String(rest))
        break
      }
      let word = rest.prefix { !$0.separatesWords }
      parts.append(String(word))
      rest = rest[word.endIndex...].drop { $0.separatesWords }
    }
    return parts
  }

  static var examples: [OperatorExample] {
    let texts = Tensor.strings(["hello world", "  three little   words ", ""], [3])
    return [
      OperatorExample(
        "white space", inputs: [texts],
        outputs: [
          .strings(["hello", "world", "", "three", "little", "words", "", "", ""], [3, 3]),
          .integers([2, 3, 0], [3]),
        ]),
      OperatorExample(
        "white space, one split", attributes: ["maxsplit": .int(1)], inputs: [texts],
        outputs: [
          .strings(["hello", "world", "three", "little   words ", "", ""], [3, 2]),
          .integers([2, 2, 0], [3]),
        ]),
      OperatorExample(
        "a delimiter", attributes: ["delimiter": .string("--")],
        inputs: [.strings(["o--n---x--", "--"], [2, 1])],
        outputs: [
          .strings(["o", "n", "-x", "", "", "", "", ""], [2, 1, 4]), .integers([4, 2], [2, 1]),
        ]),
      OperatorExample(
        "no strings", attributes: ["delimiter": .string(",")], inputs: [.strings([], [0, 2])],
        outputs: [.strings([], [0, 2, 0]), .integers([], [0, 2])]),
    ]
  }
}

extension Unicode.Scalar {
  /// White space as Python has it: Unicode's, and the separators of ASCII.
  fileprivate var separatesWords: Bool {
    (0x1c...0x1f).contains(value) || properties.isWhitespace
  }
}

/// A text that separates parts, found in linear time by the method of Knuth, Morris and Pratt.
private struct Delimiter {
  private let bytes: [UInt8]
  /// For each prefix, the length of the longest shorter prefix that it ends with.
  private let borders: [Int]

  init(_ text: String) {
    let bytes = Array(text.utf8)
    var borders = [0]
    for index in 1..<max(1, bytes.count) {
      var border = borders[index - 1]
      while border > 0, bytes[border] != bytes[index] { border = borders[border - 1] }
      borders.append(bytes[border] == bytes[index] ? border + 1 : 0)
    }
    (self.bytes, self.borders) = (bytes, borders)
  }

  func parts(of text: String, limit: Int) -> [String] {
    let text = Array(text.utf8)
    var parts: [String] = []
    var (start, matched) = (0, 0)
    for (index, byte) in text.enumerated() {
      guard parts.count < limit else { break }
      while matched > 0, bytes[matched] != byte { matched = borders[matched - 1] }
      if bytes[matched] == byte { matched += 1 }
      guard matched == bytes.count else { continue }
      parts.append(String(decoding: text[start...index].dropLast(bytes.count), as: UTF8.self))
      (start, matched) = (index + 1, 0)
    }
    parts.append(String(decoding: text[start...], as: UTF8.self))
    return parts
  }
}
