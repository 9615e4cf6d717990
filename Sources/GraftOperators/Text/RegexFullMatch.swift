import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Whether each string matches a regular expression as a whole. The syntax is that of RE2, and the
/// time grows linearly with the strings.
///
/// ONNX's reference implementation uses Python's syntax, which differs.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html>
struct RegexFullMatch: Operator {
  static let schema = OperatorSchema("RegexFullMatch", since: [20], inputs: 1...1)

  private let program: RegularExpressionProgram

  init(_ attributes: AttributeReader) throws {
    let pattern = try attributes.required("pattern", attributes.string("pattern"))
    program = try withPlace("attribute 'pattern'") {
      try RegularExpressionParser.program(pattern)
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.string])
    context.setOutput(0, .bool, try context.input(0).shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .dynamic { inputs in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      var matcher = RegularExpressionMatcher(program)
      let matches = try input.strings.map { try matcher.matches($0) }
      return [.tensor(try Tensor(matches, shape: input.shape))]
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "an address",
        attributes: ["pattern": .string(#"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)"#)],
        inputs: [.strings(["account@gmail.com", "account@hotmail.com", "not email"], [3, 1])],
        outputs: [.bools([true, false, false], [3, 1])]),
      OperatorExample(
        "the whole string", attributes: ["pattern": .string("a|ab|x*")],
        inputs: [.strings(["a", "ab", "abc", "", "xxx", "xa"], [6])],
        outputs: [.bools([true, true, false, true, true, false], [6])]),
      OperatorExample(
        "letters in any case", attributes: ["pattern": .string(#"(?i)straße\d+"#)],
        inputs: [.strings(["STRAẞE12", "straße1", "Strasse1"], [3])],
        outputs: [.bools([true, true, false], [3])]),
    ]
  }
}
