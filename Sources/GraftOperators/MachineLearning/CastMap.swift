import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The values of a map with integer keys, in the order of the keys, or at the places that the keys
/// say: `[1, n]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_CastMap.html>
struct CastMap: Operator {
  static let schema = OperatorSchema(
    "CastMap", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let elementType: ElementType
  /// The length of the output if keys are places.
  private let length: Int?

  init(_ attributes: AttributeReader) throws {
    let names: [String: ElementType] = [
      "TO_FLOAT": .float, "TO_STRING": .string, "TO_INT64": .int64,
    ]
    let name = try attributes.choice("cast_to", default: "TO_FLOAT", of: names.keys.sorted())
    elementType = names[name] ?? .float
    let form = try attributes.choice("map_form", default: "DENSE", of: ["DENSE", "SPARSE"])
    let limit = try attributes.int("max_map", default: 1)
    guard form == "DENSE" || limit >= 0 else {
      throw GraftError.badData("'max_map' is \(limit)")
    }
    length = form == "DENSE" ? nil : limit
  }

  func infer(_ context: inout InferenceContext) throws {
    let extent = length.map { Dimension.known($0) } ?? .unknown
    context.setOutput(0, elementType, [1, extent])
    let type = try context.mapInput()
    guard type.key == .int64, [.float, .string].contains(type.value) else {
      throw GraftError.badData(
        "input 0 maps \(type.key) to \(type.value); expected int64 to float or string")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .growing { inputs, memory in
      let (map, values) = try RuntimeMap.scalars(
        of: inputs.first ?? nil, elementType: .float)
      let keys = try map.keys.elements(as: Int64.self)
      guard let length else {
        let order = keys.indices.sorted { keys[$0] < keys[$1] }
        return [.tensor(try converted(values.selecting(order, axis: 0)))]
      }
      try memory.require([Tensor.memoryByteCount(elementType, [1, length])])
      for key in keys where !(0..<Int64(length)).contains(key) {
        throw GraftError.badData("the key \(key) is not below the length \(length)")
      }
      let result = try Tensor(zeros: elementType, shape: [1, length])
      let sources = try converted(values)
      if elementType == .string {
        var strings = result.strings
        for (key, text) in zip(keys, sources.strings) { strings[Int(key)] = text }
        return [.tensor(try Tensor(strings: strings, shape: [1, length]))]
      }
      let width = elementType.byteWidth
      for (index, key) in keys.enumerated() {
        (result.baseAddress + Int(key) * width).copyMemory(
          from: sources.baseAddress + index * width, byteCount: width)
      }
      return [.tensor(result)]
    }
  }

  /// Values of the output's type, as one row.
  private func converted(_ values: Tensor) throws -> Tensor {
    let row = try values.reshaped([1, values.elementCount])
    if row.elementType == elementType { return row }
    if row.elementType == .string { return try row.parsed(as: elementType, .saturating) }
    if elementType == .string { return try row.formatted() }
    let result = try Tensor(zeros: elementType, shape: row.shape)
    try ElementConversion.convert(
      row.baseAddress, row.elementType, to: result.baseAddress, elementType,
      count: row.elementCount)
    return result
  }

  static var examples: [OperatorExample] {
    let keys = Tensor.integers([5, 0, 2], [3])
    let numbers = RuntimeValue.map(
      RuntimeMap(differentKeys: keys, values: .scalars(.floats([0.5, 1.75, 2], [3]))))
    let texts = RuntimeValue.map(
      RuntimeMap(differentKeys: keys, values: .scalars(.strings(["5", "1.5", "-2"], [3]))))
    return [
      OperatorExample(
        "in order", values: [numbers], results: [.tensor(.floats([1.75, 2, 0.5], [1, 3]))]),
      OperatorExample(
        "sparse integers",
        attributes: [
          "cast_to": .string("TO_INT64"), "map_form": .string("SPARSE"), "max_map": .int(7),
        ], values: [numbers], results: [.tensor(.integers([1, 0, 2, 0, 0, 0, 0], [1, 7]))]),
      OperatorExample(
        "strings to floats", values: [texts], results: [.tensor(.floats([1.5, -2, 5], [1, 3]))]),
      OperatorExample(
        "sparse strings",
        attributes: [
          "cast_to": .string("TO_STRING"), "map_form": .string("SPARSE"), "max_map": .int(6),
        ], values: [texts],
        results: [.tensor(.strings(["1.5", "", "-2", "", "", "5"], [1, 6]))]),
    ]
  }
}

extension InferenceContext {
  /// The types of the keys and the values of input 0.
  ///
  /// - Throws: `GraftError` if it is not a map to tensors
  func mapInput() throws -> (key: ElementType, value: ElementType) {
    guard case .map(let key, .tensor(let value))? = try type(0) else {
      throw GraftError.badData(
        "input 0 is \(try type(0)?.description ?? "missing"); expected a map to scalars")
    }
    return (key, value.elementType)
  }
}

extension RuntimeMap {
  /// The map in an input, and its values as a tensor `[count]`.
  ///
  /// - Parameter elementType: that of the values of an empty map
  static func scalars(
    of value: RuntimeValue?, elementType: ElementType
  ) throws -> (map: RuntimeMap, values: Tensor) {
    guard case .map(let map)? = value else {
      throw GraftError.badData("expected a map, found \(value?.kind ?? "nothing")")
    }
    guard map.count > 0 else { return (map, try Tensor(zeros: elementType, shape: [0])) }
    guard case .scalars(let values) = map.values else {
      throw GraftError.badData("a map has values that are no scalars")
    }
    return (map, values)
  }
}
