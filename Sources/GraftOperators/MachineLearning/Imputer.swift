import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Elements that equal one value, or are NaN, replaced by others: one for all, or one for each
/// feature of `[…, F]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_Imputer.html>
struct Imputer: Operator {
  static let schema = OperatorSchema(
    "Imputer", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let floats: [Float]
  private let integers: [Int]
  private let replacedFloat: Float
  private let replacedInteger: Int

  init(_ attributes: AttributeReader) throws {
    floats = try attributes.floats("imputed_value_floats") ?? []
    integers = try attributes.ints("imputed_value_int64s") ?? []
    replacedFloat = try attributes.float("replaced_value_float", default: 0)
    replacedInteger = try attributes.int("replaced_value_int64", default: 0)
    guard floats.isEmpty != integers.isEmpty else {
      throw GraftError.badData("needs either 'imputed_value_floats' or 'imputed_value_int64s'")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput()
    let isReal = integers.isEmpty
    try context.require(0, isReal ? [.float, .double] : [.int32, .int64])
    let count = isReal ? floats.count : integers.count
    guard count > 1, let shape = try context.input(0).shape else { return }
    guard let last = shape.last, last.known == nil || last.known == count else {
      throw GraftError.badData("has \(count) imputed values for an input of shape \(shape)")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    func kernel<Element: TensorElement>(
      _ imputed: [Element], _ isReplaced: @escaping @Sendable (Element) -> Bool
    ) -> PreparedKernel {
      .parallel(count: input.elementCount, grain: 1 << 14, inPlaceInputs: [0]) { arguments, range in
        let x = arguments.input(0, as: Element.self)
        let y = arguments.output(0, as: Element.self)
        for index in range {
          y[index] = isReplaced(x[index]) ? imputed[index % imputed.count] : x[index]
        }
      }
    }
    let replacesNaN = replacedFloat.isNaN
    let replacedFloat = replacedFloat
    let replacedInteger = replacedInteger
    switch input.elementType {
    case .float: return kernel(floats) { $0 == replacedFloat || (replacesNaN && $0.isNaN) }
    case .double:
      let replaced = Double(replacedFloat)
      return kernel(floats.map { Double($0) }) { $0 == replaced || (replacesNaN && $0.isNaN) }
    case .int32:
      return kernel(
        try integers.map { value in
          guard let narrow = Int32(exactly: value) else {
            throw GraftError.badData("the imputed value \(value) is no int32")
          }
          return narrow
        }
      ) { Int($0) == replacedInteger }
    default: return kernel(integers.map { Int64($0) }) { Int($0) == replacedInteger }
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([1, .nan, -2, .nan, -2, 3], [2, 3])
    return [
      OperatorExample(
        "NaN, by feature",
        attributes: [
          "imputed_value_floats": .floats([7, 8, 9]), "replaced_value_float": .float(.nan),
        ], inputs: [x], outputs: [.floats([1, 8, -2, 7, -2, 3], [2, 3])]),
      OperatorExample(
        "a number",
        attributes: [
          "imputed_value_floats": .floats([9]), "replaced_value_float": .float(-2),
        ], inputs: [.example([1.0, -2, -2, 4], [2, 2])],
        outputs: [.example([1.0, 9, 9, 4], [2, 2])]),
      OperatorExample(
        "int32", attributes: ["imputed_value_int64s": .ints([9]), "replaced_value_int64": .int(1)],
        inputs: [.example([Int32(1), 2], [2])], outputs: [.example([Int32(9), 2], [2])]),
    ]
  }
}
