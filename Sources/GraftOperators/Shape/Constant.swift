import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A tensor in the node's attributes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Constant.html>
package struct Constant: Operator {
  package static let schema = OperatorSchema(
    "Constant", since: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25], sameSince: 12, inputs: 0...0)

  let value: Tensor

  package init(_ attributes: AttributeReader) throws {
    var values: [Tensor] = []
    if let tensor = try attributes.tensor("value") { values.append(tensor) }
    if let sparse = try attributes.sparseTensor("sparse_value") {
      values.append(try sparse.dense())
    }
    if let int = try attributes.int("value_int") {
      values.append(try Tensor(scalar: Int64(int)))
    }
    if let ints = try attributes.ints("value_ints") {
      values.append(try Tensor(ints.map(Int64.init), shape: [ints.count]))
    }
    if let float = try attributes.float("value_float") {
      values.append(try Tensor(scalar: float))
    }
    if let floats = try attributes.floats("value_floats") {
      values.append(try Tensor(floats, shape: [floats.count]))
    }
    if let string = try attributes.string("value_string") {
      values.append(try Tensor(strings: [string], shape: []))
    }
    if let strings = try attributes.strings("value_strings") {
      values.append(try Tensor(strings: strings, shape: [strings.count]))
    }
    guard values.count == 1 else {
      throw GraftError.badData("has \(values.count) values; expected one")
    }
    value = values[0]
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, value.elementType, [Dimension](value.shape))
    context.setContents(0, value)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    if value.elementType == .string { return .dynamic { [value] _ in [.tensor(value)] } }
    return .copying([
      ElementCopy(
        from: .tensor(value), width: value.elementType.byteWidth,
        axes: [.init(extent: value.elementCount, sourceStride: 1, destinationStride: 1)])
    ])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a tensor", attributes: ["value": .tensor(.floats([1, 2], [1, 2]))], inputs: [],
        outputs: [.floats([1, 2], [1, 2])]),
      OperatorExample(
        "ints", attributes: ["value_ints": .ints([3, -4])], inputs: [],
        outputs: [.integers([3, -4], [2])]),
      OperatorExample(
        "a sparse tensor",
        attributes: [
          "sparse_value": .sparseTensor(
            SparseTensor(
              values: .floats([5, 7], [2]), indices: .integers([0, 1, 1, 2], [2, 2]),
              shape: [2, 3]))
        ],
        inputs: [], outputs: [.floats([0, 5, 0, 0, 0, 7], [2, 3])]),
      OperatorExample(
        "a string", attributes: ["value_string": .string("graft")], inputs: [],
        outputs: [.strings(["graft"], [])]),
    ]
  }
}
