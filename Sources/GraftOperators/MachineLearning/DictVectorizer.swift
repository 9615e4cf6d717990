import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The values of a map at the places of their keys in a vocabulary, zeros elsewhere: `[1, C]`.
///
/// The specification says “a 1-D tensor”; exporters and onnxruntime mean a row, which the operators
/// after it take.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_DictVectorizer.html>
struct DictVectorizer: Operator {
  static let schema = OperatorSchema(
    "DictVectorizer", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let vocabulary: ClassLabels

  init(_ attributes: AttributeReader) throws {
    vocabulary = try ClassLabels(
      attributes, integers: "int64_vocabulary", strings: "string_vocabulary")
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.mapInput()
    context.setOutput(0, type.value, [1, .known(vocabulary.count)])
    guard type.key == vocabulary.elementType else {
      throw GraftError.badData(
        "input 0 has keys of type \(type.key); the vocabulary has \(vocabulary.elementType)")
    }
    guard [.float, .double, .int64, .string].contains(type.value) else {
      throw GraftError.badData("input 0 has values of type \(type.value)")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let places = VocabularyPlaces(vocabulary)
    let count = vocabulary.count
    let elementType = try context.output(0).elementType
    return .growing { inputs, memory in
      let (map, values) = try RuntimeMap.scalars(
        of: inputs.first ?? nil, elementType: elementType)
      try memory.require([Tensor.memoryByteCount(values.elementType, [1, count])])
      let found = try places.places(of: map.keys)
      if values.elementType == .string {
        var strings = [String](repeating: "", count: count)
        for (place, text) in zip(found, values.strings) { strings[place] = text }
        return [.tensor(try Tensor(strings: strings, shape: [1, count]))]
      }
      let result = try Tensor(zeros: values.elementType, shape: [1, count])
      let width = values.elementType.byteWidth
      for (index, place) in found.enumerated() {
        (result.baseAddress + place * width).copyMemory(
          from: values.baseAddress + index * width, byteCount: width)
      }
      return [.tensor(result)]
    }
  }

  /// Where keys are in a vocabulary.
  private struct VocabularyPlaces: Sendable {
    private var integers: [Int64: Int] = [:]
    private var strings: [ByteString: Int] = [:]

    init(_ vocabulary: ClassLabels) {
      switch vocabulary {
      case .integers(let labels):
        for (place, label) in labels.enumerated() where integers[label] == nil {
          integers[label] = place
        }
      case .strings(let labels):
        for (place, label) in labels.enumerated() where strings[label] == nil {
          strings[label] = place
        }
      }
    }

    func places(of keys: Tensor) throws -> [Int] {
      if keys.elementType == .string {
        return try keys.strings.map { key in
          guard let place = strings[key] else { throw unknown(key) }
          return place
        }
      }
      return try keys.elements(as: Int64.self).map { key in
        guard let place = integers[key] else { throw unknown(key.description) }
        return place
      }
    }

    private func unknown(_ key: String) -> GraftError {
      .badData("the key '\(key.prefix(40))' is not in the vocabulary")
    }
  }

  static var examples: [OperatorExample] {
    func map(_ keys: Tensor, _ values: Tensor) -> RuntimeValue {
      .map(RuntimeMap(differentKeys: keys, values: .scalars(values)))
    }
    return [
      OperatorExample(
        "strings", attributes: ["string_vocabulary": .strings(["a", "c", "b", "z"])],
        values: [map(.strings(["c", "a"], [2]), .floats([8, 4], [2]))],
        results: [.tensor(.floats([4, 8, 0, 0], [1, 4]))]),
      OperatorExample(
        "integers to strings", attributes: ["int64_vocabulary": .ints([7, -1])],
        values: [map(.integers([-1], [1]), .strings(["x"], [1]))],
        results: [.tensor(.strings(["", "x"], [1, 2]))]),
    ]
  }
}
