import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// alpha · A' · B' + beta · C, where A' and B' are A and B or their transposes, and C broadcasts.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Gemm.html>
package struct Gemm: Operator {
  package static let schema = OperatorSchema(
    "Gemm", since: [1, 6, 7, 9, 11, 13], sameSince: 11, inputs: 2...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]
  package static let isWeightedSum = true
  package static var fusedForm: OperatorSchema? { FusedGemm.schema }

  package let attributes: GemmAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try GemmAttributes(attributes)
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    // Before opset 7 the attribute only allowed what is now always allowed.
    if version < 7 { node.attributes["broadcast"] = nil }
  }

  /// Before opset 11 the addend is required; before 7 its broadcasting must be declared.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if node.inputs.count < 3 || node.inputs[2] == nil {
      guard let type = context.type(node.inputs[0])?.elementType else {
        throw GraftError.unsupported("its element type is unknown")
      }
      node.removeInputs(from: 2)
      node.inputs.append(context.addConstant(try Tensor(zeros: type, shape: [1])))
    }
    guard opset < 7 else { return }
    let output = context.type(node.outputs.first ?? nil)?.shape
    let isWhole = output != nil && context.type(node.inputs[2])?.shape == output
    if !isWhole { node.attributes["broadcast"] = .int(1) }
  }

  package var weightChannelAxis: Int? {
    guard attributes.alpha == 1, attributes.beta == 1 else { return nil }
    return attributes.isRightTransposed ? 0 : 1
  }

  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard let count = inputs[0]?.checkedProduct, let output, let rows = output.first else {
      return nil
    }
    return rows > 0 ? (output + [count / rows]).checkedProduct : 0
  }

  package func infer(_ context: inout InferenceContext) throws { try attributes.infer(&context) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try attributes.prepare(context, activation: .identity)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let left = try builder.input(0)
    let right = try builder.input(1)
    let outputGradient = try builder.outputGradient()
    let isLeftTransposed = attributes.isLeftTransposed
    let isRightTransposed = attributes.isRightTransposed
    func product(
      _ first: ValueID, _ isFirstTransposed: Bool, _ second: ValueID, _ isSecondTransposed: Bool
    )
      -> ValueID
    {
      builder.add(
        "Gemm", [first, second],
        attributes: [
          "alpha": .float(attributes.alpha), "transA": .int(isFirstTransposed ? 1 : 0),
          "transB": .int(isSecondTransposed ? 1 : 0),
        ])
    }
    if builder.needs(0) {
      builder.setInputGradient(
        0,
        isLeftTransposed
          ? product(right, isRightTransposed, outputGradient, true)
          : product(outputGradient, false, right, !isRightTransposed))
    }
    if builder.needs(1) {
      builder.setInputGradient(
        1,
        isRightTransposed
          ? product(outputGradient, true, left, isLeftTransposed)
          : product(left, !isLeftTransposed, outputGradient, false))
    }
    guard builder.needs(2) else { return }
    var addendGradient = outputGradient
    if attributes.beta != 1 {
      let elementType = builder.type(of: try builder.input(2))?.elementType ?? .float
      let beta = try Tensor(zeros: elementType, shape: [])
      var value = attributes.beta
      try ElementConversion.convert(&value, .float, to: beta.baseAddress, elementType, count: 1)
      addendGradient = builder.add("Mul", [outputGradient, builder.addConstant(beta)])
    }
    try builder.setBroadcastInputGradient(2, addendGradient)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "with a bias",
        inputs: [
          .floats([1, 2, 3, 4], [2, 2]), .floats([1, 0, 2, -1, 1, 3], [2, 3]),
          .floats([10, 20, 30], [3]),
        ],
        outputs: [.floats([9, 22, 38, 9, 24, 48], [2, 3])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "both transposed and scaled",
        attributes: [
          "alpha": .float(0.5), "beta": .float(2), "transA": .int(1), "transB": .int(1),
        ],
        inputs: [
          .floats([1, 3, 2, 4], [2, 2]), .floats([1, -1, 0, 1, 2, 3], [3, 2]),
          .floats([1, 2], [2, 1]),
        ],
        outputs: [.floats([1.5, 3, 6, 3.5, 6, 13], [2, 3])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "one row",
        attributes: ["transB": .int(1)],
        inputs: [
          .floats([1, 2, 3], [1, 3]), .floats([1, 1, 1, 0, 1, 0], [2, 3]), .floats([1], []),
        ],
        outputs: [.floats([7, 3], [1, 2])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "left transposed", attributes: ["transA": .int(1)],
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([1, 2, 3, 4], [2, 2])],
        outputs: [.floats([10, 14, 14, 20], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "nothing to sum",
        inputs: [.floats([], [1, 0]), .floats([], [0, 2]), .floats([3, 4], [1, 2])],
        outputs: [.floats([3, 4], [1, 2])]),
    ]
  }
}
