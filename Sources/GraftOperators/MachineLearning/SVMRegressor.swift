import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Σ coefficient · K(x, support vector) + rho, or, for one class, whether that is positive: 1 or -1.
/// `[N, F]` → `[N, 1]`.
///
/// Computed in double precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html>
struct SVMRegressor: Operator {
  static let schema = OperatorSchema(
    "SVMRegressor", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let vectors: SupportVectors
  /// One for each support vector; empty for a linear machine.
  private let coefficients: [Float]
  private let rho: Double
  private let isForOneClass: Bool
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    let coefficients = try attributes.floats("coefficients") ?? []
    let supportCount = try attributes.int("n_supports", default: 0)
    vectors = try SupportVectors(
      attributes, count: supportCount, coefficients: coefficients, scoreCount: 1)
    self.coefficients = supportCount == 0 ? [] : coefficients
    guard self.coefficients.count == supportCount else {
      throw GraftError.badData(
        "has \(coefficients.count) coefficients for \(supportCount) support vectors")
    }
    rho = Double(try attributes.floats("rho")?.first ?? 0)
    isForOneClass = try attributes.flag("one_class")
    postTransform = try PostTransform(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, [.unknown, 1])
    try context.require(0, .features)
    let rows = try context.featureRows()
    try rows.features.requireFeatures(vectors.featureCount)
    context.setOutput(0, .float, [rows.count, 1])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = try FeatureRows(context.input(0))
    let operation = self
    let instructionSet = context.instructionSet
    return .parallel(
      count: rows.count, grain: max(1, (1 << 15) / vectors.vectors.count),
      workerScratchByteCount: rows.byteCount + vectors.count * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else {
        return
      }
      let kernels = UnsafeMutableBufferPointer(
        start: scratch + rows.featureCount, count: operation.vectors.count)
      let output = arguments.output(0, as: Float.self)
      for index in range {
        let row = try rows.row(index, arguments, scratch: scratch)
        operation.vectors.write(row, to: kernels, instructionSet)
        output[index] = Float(operation.result(kernels))
      }
    }
  }

  private func result(_ kernels: UnsafeMutableBufferPointer<Double>) -> Double {
    var sum = coefficients.isEmpty ? kernels[0] : 0
    for (index, coefficient) in coefficients.enumerated() {
      sum += Double(coefficient) * kernels[index]
    }
    sum += rho
    if isForOneClass { return sum > 0 ? 1 : -1 }
    kernels[0] = sum
    postTransform.apply(UnsafeMutableBufferPointer(rebasing: kernels[..<1]))
    return kernels[0]
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([-1, 0.5, 1, 2], [2, 2])
    let machine: [ByteString: Attribute] = [
      "coefficients": .floats([0.7, -0.7]), "support_vectors": .floats([0, 1, 1, 1]),
      "n_supports": .int(2), "rho": .floats([0.1]), "kernel_params": .floats([0.5, 1, 3]),
    ]
    return [
      OperatorExample(
        "polynomial", attributes: machine.merging(["kernel_type": .string("POLY")]) { $1 },
        inputs: [x], outputs: [.floats([1.171875, -5.2375], [2, 1])]),
      OperatorExample(
        "linear, without support vectors",
        attributes: ["coefficients": .floats([0.7, -0.7]), "rho": .floats([0.1])],
        inputs: [x], outputs: [.floats([-0.95, -0.6], [2, 1])]),
      OperatorExample(
        "one class",
        attributes: machine.merging([
          "kernel_type": .string("SIGMOID"), "one_class": .int(1), "rho": .floats([-0.05]),
        ]) { $1 }, inputs: [.integers([-1, 0, 1, 2], [2, 2])],
        outputs: [.floats([1, -1], [2, 1])]),
    ]
  }
}
