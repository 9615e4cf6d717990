import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Elements of the last axis: `[…, F]` and n indices → `[…, n]`; `[F]` → `[1, n]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html>
struct ArrayFeatureExtractor: Operator {
  static let schema = OperatorSchema(
    "ArrayFeatureExtractor", domain: OperatorDomain.machineLearning, since: [1], inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .features.union([.string]))
    try context.require(1, [.int64])
    var shape = try context.shape(0)
    guard !shape.isEmpty else { throw GraftError.badData("input 0 is a scalar") }
    if shape.count == 1 { shape.insert(1, at: 0) }
    let indices = try context.input(1).shape
    shape[shape.count - 1] = try indices.map { try $0.product() } ?? .unknown
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let width = input.elementType.byteWidth
      let extent = input.shape.last ?? 1
      let count = try context.input(1).elementCount
      let rowCount = try context.output(0).shape.dropLast().reduce(1, *)
      return .parallel(count: rowCount, grain: max(1, (1 << 14) / max(count, 1))) {
        arguments, rows in
        let indices = arguments.input(1, as: Int64.self)
        for row in rows {
          let source = arguments.input(0) + row * extent * width
          var target = arguments.output(0) + row * count * width
          for position in 0..<count {
            let index = Int(indices[position])
            guard (0..<extent).contains(index) else {
              throw GraftError.badData("index \(index) is outside of an axis of \(extent)")
            }
            target.copyMemory(from: source + index * width, byteCount: width)
            target += width
          }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", inputs: [.floats((0..<12).map { Float($0) }, [3, 4]), .integers([0, 1], [2])],
        outputs: [.floats([0, 1, 4, 5, 8, 9], [3, 2])]),
      OperatorExample(
        "a vector of strings",
        inputs: [.strings(["a", "b", "c"], [3]), .integers([2, 2, 0], [1, 3])],
        outputs: [.strings(["c", "c", "a"], [1, 3])]),
    ]
  }
}
