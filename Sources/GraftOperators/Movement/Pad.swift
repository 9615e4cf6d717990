import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Adds elements around a tensor, or removes some. New elements are a constant, or the tensor's
/// own: reflected, from the edge, or wrapped around.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Pad.html>
package struct Pad: Operator {
  package static let schema = OperatorSchema(
    "Pad", since: [1, 2, 11, 13, 18, 19, 21, 23, 24, 25], sameSince: 19, inputs: 2...4)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact

  package let mode: PadMode

  package init(_ attributes: AttributeReader) throws { mode = try PadMode(attributes) }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 11 else { return }
    if version < 2 { node.attributes["pads"] = node.attributes.removeValue(forKey: "paddings") }
    try node.moveToInput("pads", at: 1, in: &context)
    let value = try AttributeReader(node.attributes).float("value", default: 0)
    node.attributes["value"] = nil
    guard value != 0 else { return }
    guard let elementType = context.type(node.inputs.first ?? nil)?.elementType else {
      throw GraftError.unsupported("needs to know the element type of input 0")
    }
    let source = try Tensor(scalar: value)
    let constant = try Tensor(zeros: elementType, shape: [])
    try ElementConversion.convert(
      source.baseAddress, .float, to: constant.baseAddress, elementType, count: 1)
    withExtendedLifetime(source) {}
    while node.inputs.count < 2 { node.inputs.append(nil) }
    node.inputs.append(context.addConstant(constant))
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if opset < 18, let axes = try node.constantIntegers("axes", at: 3, in: context) {
      let rank = try context.rank(node.inputs[0], of: "input 0")
      guard let given = try node.constantIntegers("pads", at: 1, in: context),
        given.count == 2 * axes.count
      else { throw GraftError.unsupported("'pads' is not a constant") }
      var pads = [Int](repeating: 0, count: 2 * rank)
      for (index, axis) in try normalizedAxes(axes, rank: rank).enumerated() {
        pads[axis] = given[index]
        pads[axis + rank] = given[index + axes.count]
      }
      node.inputs[1] = try context.addIntegers(pads)
      node.removeInputs(from: 3)
    }
    if opset < 11 {
      if node.inputs.count > 2, let input = node.inputs[2] {
        guard let tensor = context.constant(input), tensor.elementCount == 1,
          tensor.elementType.isFloatingPoint, let value = try tensor.doubles().first
        else { throw GraftError.unsupported("the padding value is not a float constant") }
        if value != 0 { node.attributes["value"] = .float(Float(value)) }
      }
      try node.moveToAttribute("pads", from: 1, in: context)
      if opset < 2 { node.attributes["paddings"] = node.attributes.removeValue(forKey: "pads") }
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    context.setOutput(0, elementType, Array(repeating: .unknown, count: shape.count))
    try context.require(1, [.int64])
    if context.hasInput(2) {
      try context.requireSameElementType([0, 2])
      if let count = try context.shape(2).product().known, count != 1 {
        throw GraftError.badData("the constant to pad with has \(count) elements")
      }
    }
    if context.hasInput(3) { try context.require(3, .indices) }
    let pads = try Padding(
      context.contents(1).integers(), axes: context.integers(3), rank: shape.count)
    let result = try shape.indices.map { try pads.extent(shape[$0], axis: $0, mode: mode) }
    _ = try result.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, result)
  }

  package func isIdentity(_ context: InferenceContext) -> Bool {
    guard let pads = try? context.inputContents[1]?.integers() else { return false }
    return pads.allSatisfy { $0 == 0 }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      guard try context.output(0).elementCount > 0 else { return PreparedKernel(phases: []) }
      let pads = try Padding(
        context.integers(1) ?? [], axes: context.integers(3), rank: input.rank)
      let zero = try Tensor(zeros: input.elementType, shape: [1])
      let width = input.elementType.byteWidth
      guard mode == .constant else {
        return AxisGather(
          indices: input.shape.indices.map {
            pads.indices(input.shape[$0], axis: $0, mode: mode)
          }, inputShape: input.shape, width: width, fill: zero,
          instructionSet: context.instructionSet
        ).kernel()
      }
      return .copying(
        PaddedCopy(
          inputShape: input.shape, begins: pads.begins, ends: pads.ends, width: width,
          fill: context.hasInput(2) ? .input(2) : .tensor(zero)
        ).copies())
    }
  }

  /// Constant padding is reversed by padding with the opposite amounts.
  package func gradient(_ builder: inout GradientBuilder) throws {
    guard !builder.needs(2) else {
      throw GraftError.unsupported("Pad has no gradient for the constant to pad with")
    }
    guard builder.needs(0) else { return }
    let axes = builder.node.inputs.count > 3 ? builder.node.inputs[3] : nil
    let gradient = try builder.outputGradient()
    if mode == .constant {
      let opposite = builder.add("Neg", [try builder.input(1)])
      builder.setInputGradient(0, builder.add("Pad", [gradient, opposite, nil, axes]))
    } else {
      builder.setInputGradient(
        0,
        builder.add(
          "PadGradient", domain: "graft",
          [gradient, try builder.input(0), try builder.input(1), axes],
          attributes: ["mode": .string(mode.rawValue)]))
    }
  }

  package static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "a constant, one axis cropped",
        inputs: [matrix, .integers([1, -1, 0, 2], [4]), .floats([9], [])],
        outputs: [.floats([9, 9, 9, 9, 2, 3, 9, 9, 5, 6, 9, 9], [3, 4])],
        differentiableInputs: [0]),
      OperatorExample(
        "reflection along a named axis", attributes: ["mode": .string("reflect")],
        inputs: [matrix, .integers([2, 1], [2]), nil, .integers([-1], [1])],
        outputs: [.floats([3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5], [2, 6])],
        differentiableInputs: [0]),
      OperatorExample(
        "the edge", attributes: ["mode": .string("edge")],
        inputs: [matrix, .integers([1, 0, 0, 1], [4])],
        outputs: [.floats([1, 2, 3, 3, 1, 2, 3, 3, 4, 5, 6, 6], [3, 4])],
        differentiableInputs: [0]),
      OperatorExample(
        "wrapped around", attributes: ["mode": .string("wrap")],
        inputs: [matrix, .integers([0, 2, 0, 1], [4])],
        outputs: [.floats([2, 3, 1, 2, 3, 1, 5, 6, 4, 5, 6, 4], [2, 6])],
        differentiableInputs: [0]),
      OperatorExample(
        "strings", inputs: [.strings(["a"], [1]), .integers([1, 1], [2])],
        outputs: [.strings(["", "a", ""], [3])]),
    ]
  }
}
