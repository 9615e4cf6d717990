import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The old name of ``Resize``, with scales only.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Upsample.html>
struct Upsample: Operator {
  static let schema = OperatorSchema("Upsample", since: [1, 7, 9, 10], sameSince: 9, inputs: 2...2)

  private let method: ResizeMethod

  init(_ attributes: AttributeReader) throws {
    method = try ResizeMethod(
      AttributeReader([
        "mode": .string(try attributes.string("mode", default: "nearest")),
        "coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor"),
      ]))
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    let attributes = AttributeReader(node.attributes)
    if version < 9 {
      var scales = try attributes.floats("scales")
      if version < 7 {
        scales = [
          1, 1, try attributes.required("height_scale", attributes.float("height_scale")),
          try attributes.required("width_scale", attributes.float("width_scale")),
        ]
      }
      let given = try attributes.required("scales", scales)
      node.inputs = [
        node.inputs.first ?? nil, context.addConstant(try Tensor(given, shape: [given.count])),
      ]
    }
    let mode = try attributes.string("mode", default: "nearest")
    node.attributes = ["mode": .string(mode == "bilinear" ? "linear" : mode)]
    node.operatorType = Resize.schema.name
    try Resize.upgradeScaling(&node, in: &context)
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard let scales = try context.constant(node.inputs[1])?.elements(as: Float.self) else {
      throw GraftError.unsupported("'scales' is not a constant")
    }
    node.removeInputs(from: 1)
    if opset >= 7 {
      node.attributes["scales"] = .floats(scales)
      return
    }
    guard scales.count == 4, scales[0] == 1, scales[1] == 1 else {
      throw GraftError.unsupported("it scales other axes than height and width")
    }
    node.attributes["height_scale"] = .float(scales[2])
    node.attributes["width_scale"] = .float(scales[3])
    if case .string("linear")? = node.attributes["mode"] {
      node.attributes["mode"] = .string("bilinear")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    if method.interpolation != .nearest { try context.require(0, .realNumbers) }
    let shape = try context.shape(0)
    try context.require(1, [.float])
    let geometry = try ResizeGeometry(
      method, roi: nil, scales: context.contents(1), sizes: nil, rank: shape.count)
    context.setOutput(0, elementType, try geometry.outputShape(shape))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try Resize(method).prepare(
      PrepareContext(
        inputs: [context.inputs[0], nil, context.inputs[1]], outputs: context.outputs,
        instructionSet: context.instructionSet, packedConstants: context.packedConstants))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "nearest", inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([1, 2], [2])],
        outputs: [.floats([1, 1, 2, 2, 3, 3, 4, 4], [2, 4])]),
      OperatorExample(
        "linear", attributes: ["mode": .string("linear")],
        inputs: [.floats([1, 3], [2]), .floats([2], [1])], outputs: [.floats([1, 2, 3, 3], [4])]),
    ]
  }
}
