import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Each element replaced by the value of its key.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html>
struct LabelEncoder: Operator {
  static let schema = OperatorSchema(
    "LabelEncoder", domain: OperatorDomain.machineLearning, since: [1, 2, 4], inputs: 1...1)

  private let table: LabelTable

  init(_ attributes: AttributeReader) throws {
    let keys = try Self.list("keys", attributes)
    let values = try Self.list("values", attributes)
    table = try LabelTable(
      keys: keys, values: values, missing: Self.missing(values.elementType, attributes))
  }

  /// The list in one of several attributes, by element type.
  private static func list(_ name: String, _ attributes: AttributeReader) throws -> Tensor {
    var lists: [Tensor] = []
    if let list = try attributes.floats("\(name)_floats"), !list.isEmpty {
      lists.append(try Tensor(list, shape: [list.count]))
    }
    if let list = try attributes.ints("\(name)_int64s"), !list.isEmpty {
      lists.append(try Tensor(list.map { Int64($0) }, shape: [list.count]))
    }
    if let list = try attributes.strings("\(name)_strings"), !list.isEmpty {
      lists.append(try Tensor(strings: list, shape: [list.count]))
    }
    if let list = try attributes.tensor("\(name)_tensor") { lists.append(list) }
    guard lists.count == 1 else {
      throw GraftError.badData("has \(lists.count) lists '\(name)_…'; expected one")
    }
    return lists[0]
  }

  /// The value of keys that are not in the table.
  private static func missing(
    _ type: ElementType, _ attributes: AttributeReader
  ) throws -> Tensor {
    if let tensor = try attributes.tensor("default_tensor") { return tensor }
    switch type {
    case .string:
      return try Tensor(
        strings: [try attributes.string("default_string", default: "_Unused")], shape: [])
    case .int64: return try Tensor(scalar: Int64(try attributes.int("default_int64", default: -1)))
    case .float, .double:
      return try ElementConversion.scalar(
        Double(try attributes.float("default_float", default: -0.0)), as: type)
    default: return try ElementConversion.scalar(-1, as: type)
    }
  }

  /// Version 1 numbers the strings of `classes_strings`, from 0.
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version == 1 else { return }
    let attributes = AttributeReader(node.attributes)
    let classes = try attributes.strings("classes_strings") ?? []
    let isText: Bool
    if let type = context.type(node.inputs.first ?? nil)?.elementType {
      isText = type == .string
    } else if attributes.has("default_string") != attributes.has("default_int64") {
      isText = attributes.has("default_int64")
    } else {
      throw GraftError.unsupported("needs the type of its input, which the model does not define")
    }
    node.attributes["classes_strings"] = nil
    node.attributes[isText ? "keys_strings" : "values_strings"] = .strings(classes)
    node.attributes[isText ? "values_int64s" : "keys_int64s"] = .ints(Array(classes.indices))
    node.attributes[isText ? "default_string" : "default_int64"] = nil
  }

  /// Before version 4, keys were compared by their bits, and none was to occur twice.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let attributes = AttributeReader(node.attributes)
    guard opset < 2 else {
      let floats = try attributes.floats("keys_floats") ?? []
      let integers = try attributes.ints("keys_int64s") ?? []
      let strings = try attributes.strings("keys_strings") ?? []
      guard Set(floats.map { $0 + 0 }).count == floats.count, !floats.contains(where: \.isNaN),
        Set(integers).count == integers.count,
        Set(strings.map { ByteString($0) }).count == strings.count
      else {
        throw GraftError.unsupported("its keys are NaN, or not all different")
      }
      return
    }
    for (strings, numbers, fallback) in [
      ("keys_strings", "values_int64s", "default_int64"),
      ("values_strings", "keys_int64s", "default_string"),
    ] {
      guard let classes = try attributes.strings(strings),
        try attributes.ints(numbers) == Array(classes.indices)
      else { continue }
      let old = node.attributes
      node.attributes = ["classes_strings": .strings(classes)]
      node.attributes[fallback] = old[fallback]
      return
    }
    throw GraftError.unsupported("its keys or values are not the numbers from 0")
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, table.valueType, nil)
    let input = try context.input(0)
    try context.require(0, [table.keyType])
    context.setOutput(0, table.valueType, input.shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel { try table.kernel(context) }

  static var examples: [OperatorExample] {
    let letters = Tensor.strings(["a", "b", "d", "c", "g"], [5])
    return [
      OperatorExample(
        "strings to integers",
        attributes: [
          "keys_strings": .strings(["a", "b", "c"]), "values_int64s": .ints([0, 1, 2]),
          "default_int64": .int(42),
        ], inputs: [letters], outputs: [.integers([0, 1, 42, 2, 42], [5])]),
      OperatorExample(
        "strings to int16, as tensors",
        attributes: [
          "keys_tensor": .tensor(.strings(["a", "b", "c"], [3])),
          "values_tensor": .tensor(.example([Int16(0), 1, 2], [3])),
          "default_tensor": .tensor(.example([Int16(42)], [1])),
        ], inputs: [letters], outputs: [.example([Int16(0), 1, 42, 2, 42], [5])]),
      OperatorExample(
        "NaN is a key",
        attributes: [
          "keys_floats": .floats([1, .nan, 0]),
          "values_strings": .strings(["one", "none", "zero"]),
        ], inputs: [.floats([1, -.nan, -0.0, 5], [2, 2])],
        outputs: [.strings(["one", "none", "zero", "_Unused"], [2, 2])]),
      OperatorExample(
        "doubles to doubles",
        attributes: [
          "keys_tensor": .tensor(.example([0.1, 0.2], [2])),
          "values_tensor": .tensor(.example([1.5, 2.5], [2])),
        ], inputs: [.example([0.2, 0.1, 0.3], [3])],
        outputs: [.example([2.5, 1.5, -0.0], [3])]),
    ]
  }
}
