import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The discrete Fourier transform along one axis, of any length.
///
/// Input `[…, n, …, 1]` (real) or `[…, n, …, 2]` (complex), output `[…, dft_length, …, 2]`. With
/// `onesided`, only the first dft_length / 2 + 1 points are computed, or read by the inverse, whose
/// output is `[…, dft_length, …, 1]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__DFT.html>
struct DFT: Operator {
  static let schema = OperatorSchema("DFT", since: [17, 20], inputs: 1...3)

  private let attributes: FourierAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try FourierAttributes(attributes)
  }

  /// Up to opset 19 the axis is an attribute, by default the first one after the batch.
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 20 else { return }
    let axis = try AttributeReader(node.attributes).int("axis", default: 1)
    node.attributes["axis"] = nil
    node.inputs = Array((node.inputs + [nil, nil]).prefix(2))
    node.inputs.append(context.addConstant(try Tensor(scalar: Int64(axis))))
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset >= 17 else { throw GraftError.unsupported("the operator is newer") }
    node.attributes["axis"] = .int(-2)
    try node.moveToAttribute("axis", from: 2, in: context)
    if case .ints(let axes)? = node.attributes["axis"] {
      node.attributes["axis"] = .int(try axes.requiredFirst("axis"))
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    if let shape = try FourierGeometry.outputShape(attributes, input: 0, &context) {
      context.setOutput(0, elementType, shape)
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let geometry = try FourierGeometry(
      attributes, shape: context.input(0).shape, length: context.integers(1)?.first,
      axis: context.integers(2)?.first)
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let form: FourierOperation.Form
    if attributes.isOneSided {
      form = attributes.isInverse ? .toReal : .fromReal
    } else if geometry.isComplex || attributes.isInverse {
      form = .general(isInputComplex: geometry.isComplex, isOutputComplex: true)
    } else {
      form = .fromReal
    }
    let operation = FourierOperation(
      form: form, length: geometry.length, isInverse: attributes.isInverse,
      scale: attributes.isInverse ? 1 / Double(geometry.length) : 1,
      inputCount: geometry.inputCount, outputCount: geometry.outputCount)
    return try geometry.kernel(Element.self, operation, isAdjoint: false, context)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let inputs = builder.node.inputs
    builder.setInputGradient(
      0,
      builder.add(
        "DFTGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0)] + inputs.dropFirst(),
        attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let line: [Float] = [1, 2, -1, 3, 0.5]
    let axis = Tensor.example([Int64(1)], [])
    return [
      OperatorExample(
        "real, of odd length", inputs: [.floats(line, [1, 5, 1])],
        outputs: [
          .floats(
            [
              5.5, 0, 0.1545085, 0.9245562, -0.4045085, -4.6859039, -0.4045085, 4.6859039,
              0.1545085, -0.9245562,
            ], [1, 5, 2])
        ], differentiableInputs: [0]),
      OperatorExample(
        "one-sided, padded to an even length", attributes: ["onesided": .int(1)],
        inputs: [.floats(line, [1, 5, 1]), .example([Int64(6)], []), axis],
        outputs: [
          .floats([5.5, 0, -0.75, -0.4330127, 3.25, -3.0310889, -4.5, 0], [1, 4, 2])
        ], differentiableInputs: [0]),
      OperatorExample(
        "one-sided, cut to an odd length", attributes: ["onesided": .int(1)],
        inputs: [.floats(line, [1, 5, 1]), .example([Int32(3)], [1])],
        outputs: [.floats([2, 0, 0.5, -2.598076], [1, 2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "complex, along the first axis",
        inputs: [
          .floats([1, 2, -1, 0, 3, 1, 0, -2, 2, 2, 1, 1], [3, 2, 2]), nil,
          .example([Int64(-3)], []),
        ],
        outputs: [
          .floats(
            [
              6, 5, 0, -1, -2.3660254, -0.3660254, -4.098076, 1.3660254, -0.6339746, 1.3660254,
              1.098076, -0.3660254,
            ], [3, 2, 2])
        ], tolerance: 2e-6, differentiableInputs: [0]),
      OperatorExample(
        "inverse", attributes: ["inverse": .int(1)],
        inputs: [.floats([1, 2, 3, 1, 2, 2, 0, -1], [1, 4, 2])],
        outputs: [.floats([1.5, 1, -0.75, 0.75, 0, 1, 0.25, -0.75], [1, 4, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "inverse, padded", attributes: ["inverse": .int(1)],
        inputs: [.floats([1, 2, 3, 1], [1, 2, 2]), .example([Int64(4)], [])],
        outputs: [.floats([1, 0.75, 0, 1.25, -0.5, 0.25, 0.5, -0.25], [1, 4, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "inverse, one-sided, of even length",
        attributes: ["inverse": .int(1), "onesided": .int(1)],
        inputs: [.floats([1, 2, 3, 1, 2, 2], [1, 3, 2])],
        outputs: [.floats([2.25, -0.75, -0.75, 0.25], [1, 4, 1])], differentiableInputs: [0]),
      OperatorExample(
        "inverse, one-sided, of odd length",
        attributes: ["inverse": .int(1), "onesided": .int(1)],
        inputs: [.floats([1, 2, 3, 1, 2, 2], [1, 3, 2]), .example([Int64(5)], [])],
        outputs: [
          .floats([2.2, -0.927044, 0.0021243144, -1.0493379, 0.7742576], [1, 5, 1])
        ], differentiableInputs: [0]),
    ]
  }
}
