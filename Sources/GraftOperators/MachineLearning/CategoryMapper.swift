import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Strings to integers, or integers to strings, by a list of pairs.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_CategoryMapper.html>
struct CategoryMapper: Operator {
  static let schema = OperatorSchema(
    "CategoryMapper", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let integers: LabelTable
  private let strings: LabelTable

  init(_ attributes: AttributeReader) throws {
    let numbers = try attributes.ints("cats_int64s") ?? []
    let texts = try attributes.strings("cats_strings") ?? []
    let integerTensor = try Tensor(numbers.map { Int64($0) }, shape: [numbers.count])
    let stringTensor = try Tensor(strings: texts, shape: [texts.count])
    let defaultInteger = try attributes.int("default_int64", default: -1)
    let defaultString = try attributes.string("default_string", default: "_Unused")
    integers = try LabelTable(
      keys: stringTensor, values: integerTensor, missing: Tensor(scalar: Int64(defaultInteger)))
    strings = try LabelTable(
      keys: integerTensor, values: stringTensor,
      missing: Tensor(strings: [defaultString], shape: []))
  }

  func infer(_ context: inout InferenceContext) throws {
    let input = try context.input(0)
    try context.require(0, [.int64, .string])
    context.setOutput(0, input.elementType == .string ? .int64 : .string, input.shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let isText = try context.input(0).elementType == .string
    return try (isText ? integers : strings).kernel(context)
  }

  static var examples: [OperatorExample] {
    let pairs: [ByteString: Attribute] = [
      "cats_strings": .strings(["a", "b", "c"]), "cats_int64s": .ints([5, 0, 2]),
    ]
    return [
      OperatorExample(
        "integers", attributes: pairs, inputs: [.integers([0, 2, 5, 1], [2, 2])],
        outputs: [.strings(["b", "c", "a", "_Unused"], [2, 2])]),
      OperatorExample(
        "strings", attributes: pairs.merging(["default_int64": .int(8)]) { $1 },
        inputs: [.strings(["a", "q"], [2])], outputs: [.integers([5, 8], [2])]),
    ]
  }
}
