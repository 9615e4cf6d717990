import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Rows divided by a norm, as floats: the largest magnitude, the sum of magnitudes, or the root of
/// the sum of squares. `[N, C]`, or `[C]` for one row.
///
/// The specification's formulas leave out the magnitudes in MAX and L1, and the sign in L2; its
/// reference implementation and scikit-learn compute norms. onnxruntime's MAX divides by the
/// largest number. Rows of zeros stay as they are.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html>
struct Normalizer: Operator {
  static let schema = OperatorSchema(
    "Normalizer", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private enum Norm: String, CaseIterable {
    case largest = "MAX"
    case sum = "L1"
    case euclidean = "L2"
  }

  private let norm: Norm

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "norm", default: "MAX", of: Norm.allCases.map(\.rawValue))
    norm = Norm(rawValue: name) ?? .largest
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, try context.input(0).shape)
    try context.require(0, .features)
    _ = try context.featureRows()
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = try FeatureRows(context.input(0))
    let norm = norm
    return .parallel(
      count: rows.count, grain: max(1, (1 << 14) / max(1, rows.featureCount)),
      workerScratchByteCount: rows.byteCount
    ) { arguments, range in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else {
        return
      }
      let output = arguments.output(0, as: Float.self)
      for index in range {
        let x = UnsafeBufferPointer(
          start: try rows.row(index, arguments, scratch: scratch), count: rows.featureCount)
        let divisor =
          switch norm {
          case .largest: x.reduce(0.0) { max($0, abs($1)) }
          case .sum: x.reduce(0.0) { $0 + abs($1) }
          case .euclidean: x.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
          }
        let y = output + index * rows.featureCount
        for place in x.indices { y[place] = Float(divisor == 0 ? x[place] : x[place] / divisor) }
      }
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([1, -3, 2, -1, -2, -4, 0, 0, 0], [3, 3])
    return [
      OperatorExample(
        "largest magnitude", inputs: [x],
        outputs: [.floats([0.3333333, -1, 0.6666667, -0.25, -0.5, -1, 0, 0, 0], [3, 3])]),
      OperatorExample(
        "sum of magnitudes", attributes: ["norm": .string("L1")], inputs: [x],
        outputs: [
          .floats(
            [0.1666667, -0.5, 0.3333333, -0.1428571, -0.2857143, -0.5714286, 0, 0, 0], [3, 3])
        ]),
      OperatorExample(
        "Euclidean, a row of integers", attributes: ["norm": .string("L2")],
        inputs: [.integers([1, -3, 2], [3])],
        outputs: [.floats([0.2672612, -0.8017837, 0.5345225], [3])]),
    ]
  }
}
