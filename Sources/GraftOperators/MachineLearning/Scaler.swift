import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// (x - offset) · scale, as floats: one number for all, or one for each feature of `[…, F]`.
///
/// Computed in double precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html>
struct Scaler: Operator {
  static let schema = OperatorSchema(
    "Scaler", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let offsets: [Float]
  private let scales: [Float]

  init(_ attributes: AttributeReader) throws {
    let offsets = try attributes.floats("offset") ?? []
    let scales = try attributes.floats("scale") ?? []
    self.offsets = offsets.isEmpty ? [0] : offsets
    self.scales = scales.isEmpty ? [1] : scales
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, try context.input(0).shape)
    try context.require(0, .features)
    for (name, count) in [("offsets", offsets.count), ("scales", scales.count)] where count > 1 {
      guard let shape = try context.input(0).shape else { continue }
      guard let last = shape.last, last.known == nil || last.known == count else {
        throw GraftError.badData("has \(count) \(name) for an input of shape \(shape)")
      }
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let type = input.elementType
    let (offsets, scales) = (offsets, scales)
    let pieceCount = 512
    return .parallel(
      count: input.elementCount, grain: 1 << 13,
      workerScratchByteCount: pieceCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else {
        return
      }
      let output = arguments.output(0, as: Float.self)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: pieceCount) {
        let count = min(pieceCount, range.upperBound - start)
        try ElementConversion.convert(
          arguments.input(0) + start * type.byteWidth, type, to: scratch, .double, count: count)
        for index in start..<start + count {
          let difference = scratch[index - start] - Double(offsets[index % offsets.count])
          output[index] = Float(difference * Double(scales[index % scales.count]))
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([1, -3, 2, -1, -2, -4], [2, 3])
    return [
      OperatorExample(
        "by feature", attributes: ["offset": .floats([1, 2, 3]), "scale": .floats([2, 1, 0.5])],
        inputs: [x], outputs: [.floats([0, -5, -0.5, -4, -4, -3.5], [2, 3])]),
      OperatorExample(
        "one for all, of integers", attributes: ["offset": .floats([1]), "scale": .floats([2])],
        inputs: [.integers([1, 2, 3], [3])], outputs: [.floats([0, 2, 4], [3])]),
    ]
  }
}
