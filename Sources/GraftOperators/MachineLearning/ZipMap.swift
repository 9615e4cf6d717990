import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A map from the labels to the columns of each row: `[N, C]` → a sequence of N maps; `[C]` → of
/// one.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_ZipMap.html>
struct ZipMap: Operator {
  static let schema = OperatorSchema(
    "ZipMap", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let keys: Tensor

  init(_ attributes: AttributeReader) throws {
    keys = try ClassLabels(
      attributes, integers: "classlabels_int64s", strings: "classlabels_strings"
    ).tensor()
    try RuntimeMap.requireDifferent(keys)
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(
      0,
      .sequence(.map(key: keys.elementType, value: .tensor(TensorType(.float, [])))))
    try context.require(0, [.float])
    try context.featureRows().features.requireFeatures(keys.elementCount)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let keys = keys
    let columnCount = keys.elementCount
    return .growing { inputs, memory in
      guard let input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      let rowCount = input.elementCount / max(columnCount, 1)
      let objectByteCount = MemoryLayout<RuntimeValue>.stride + 128
      try memory.require([input.byteCount, rowCount * objectByteCount])
      // The input's memory may be used again while the maps are alive.
      let copy = try input.copied()
      let rowByteCount = columnCount * ElementType.float.byteWidth
      let maps = try (0..<rowCount).map { row in
        RuntimeValue.map(
          RuntimeMap(
            differentKeys: keys,
            values: .scalars(
              try Tensor(
                elementType: .float, shape: [columnCount], storage: copy.storage,
                byteOffset: copy.byteOffset + row * rowByteCount))))
      }
      return [.sequence(maps)]
    }
  }

  static var examples: [OperatorExample] {
    func map(_ keys: Tensor, _ values: [Float]) -> RuntimeValue {
      .map(RuntimeMap(differentKeys: keys, values: .scalars(.floats(values, [values.count]))))
    }
    let strings = Tensor.strings(["b", "a", "c"], [3])
    let integers = Tensor.integers([3, -1], [2])
    return [
      OperatorExample(
        "strings", attributes: ["classlabels_strings": .strings(["b", "a", "c"])],
        values: [.tensor(.floats([1, -3, 2, -1, -2, -4], [2, 3]))],
        results: [.sequence([map(strings, [1, -3, 2]), map(strings, [-1, -2, -4])])]),
      OperatorExample(
        "one row, integers", attributes: ["classlabels_int64s": .ints([3, -1])],
        values: [.tensor(.floats([0.25, 0.75], [2]))],
        results: [.sequence([map(integers, [0.25, 0.75])])]),
    ]
  }
}
