import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// The mean of each window. A window within the padding gives 0.
///
/// Padding counts as zeros if `count_include_pad` is set, and not at all otherwise; what
/// `ceil_mode` adds beyond the padding never counts.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__AveragePool.html>
package struct AveragePool: RealOperator {
  package static let schema = OperatorSchema(
    "AveragePool", since: [1, 7, 10, 11, 19, 22], sameSince: 19, inputs: 1...1)
  package static let widening = Widening.rounds
  package static let isLaborious = true

  package let window: PoolingWindow
  package let countsPadding: Bool
  private let attributes: [ByteString: Attribute]

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(attributes)
    countsPadding = try attributes.flag("count_include_pad")
    self.attributes = attributes.attributes
  }

  /// Before opset 19, the treatment of windows beyond the padding was undefined.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let attributes = AttributeReader(node.attributes)
    let isUnambiguous =
      try !attributes.flag("ceil_mode") || !attributes.flag("count_include_pad")
      || context.isFromFile(before: 19)
    guard isUnambiguous else {
      throw GraftError.unsupported("'ceil_mode' with 'count_include_pad' was ambiguous")
    }
    try node.dropDilationsOfOne()
  }

  package func infer(_ context: inout InferenceContext) throws {
    try window.infer(&context, .floatingPoint)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let geometry = try PoolGeometry(window, inputShape: context.input(0).shape)
    let countsPadding = countsPadding
    if Element.self == Float.self, let pool = geometry.planar(countsPadding: countsPadding) {
      return PoolGeometry.rowsKernel(
        pool, planeCount: geometry.planeCount, context.instructionSet
      ) { $0.pointee.average_pool }
    }
    return PreparedKernel.parallel(count: geometry.planeCount, grain: geometry.grain()) {
      arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes {
        let x = x + plane * geometry.inputCount
        let y = y + plane * geometry.outputCount
        geometry.forEachWindow { index, window in
          var sum: Element = 0
          window.forEachTap { sum += x[$0] }
          y[index] = sum / window.divisor(countsPadding: countsPadding)
        }
      }
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let shape = builder.add("Shape", [try builder.input(0)])
    builder.setInputGradient(
      0,
      builder.add(
        "AveragePoolGradient", domain: "graft", [try builder.outputGradient(), shape],
        attributes: attributes))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "3x3, stride 2, SAME_UPPER",
        attributes: [
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]),
          "auto_pad": .string("SAME_UPPER"),
        ],
        inputs: [
          .floats(
            [-1.19, -0.58, -0.2, 0.9, 1.15, -1.32, -0.79, 0.65, -1.99, -0.46, -0.1, 1.26],
            [1, 1, 4, 3])
        ],
        outputs: [.floats([0.02333332, -0.38166666, -0.17500001, -0.045000017], [1, 1, 2, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "padding counts, ceil_mode",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
          "ceil_mode": .int(1), "count_include_pad": .int(1),
        ],
        inputs: [
          .floats(
            [0.69, -0.33, -0.37, -0.25, 1.52, -0.43, -0.3, 0.35, -0.12, -0.2, -1.11, -0.01],
            [1, 1, 4, 3])
        ],
        outputs: [.floats([0.1725, -0.17500001, -0.1375, 0.32999998, -0.1, -0.56], [1, 1, 3, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "1-D, dilated",
        attributes: ["kernel_shape": .ints([2]), "dilations": .ints([2]), "pads": .ints([1, 1])],
        inputs: [
          .floats([-0.44, 1.17, 0.65, -0.02, 0.67, -0.34, 1.05, -0.01, 0.58, -1.29], [1, 2, 5])
        ],
        outputs: [
          .floats(
            [1.17, 0.10499999, 0.575, 0.65999997, -0.02, 1.05, -0.175, 0.81499994, -0.65, 0.58],
            [1, 2, 5])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "3-D",
        attributes: ["kernel_shape": .ints([2, 2, 1])],
        inputs: [
          .floats(
            [0.35, -1.69, -2.04, -0.3, -0.9, 0.16, 2.24, -0.83, -0.62, 0.21, 0.49, -0.18],
            [1, 1, 2, 3, 2])
        ],
        outputs: [.floats([-0.017499983, -0.6525, -0.7675, -0.027500007], [1, 1, 1, 2, 2])],
        differentiableInputs: [0]),
    ]
  }
}

extension PoolGeometry.Window {
  /// The divisor of the window's sum; 1 for an empty window.
  @inline(__always) func divisor<Element: RealElement>(countsPadding: Bool) -> Element {
    max(1, countsPadding ? Element(paddedCount) : Element(count))
  }
}
