import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Resamples a tensor along its axes: nearest neighbour, linear or cubic.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Resize.html>
package struct Resize: Operator {
  package static let schema = OperatorSchema(
    "Resize", since: [10, 11, 13, 18, 19], sameSince: 19, inputs: 1...4)
  package static let widening = Widening.rounds

  let method: ResizeMethod

  package init(_ attributes: AttributeReader) throws { method = try ResizeMethod(attributes) }

  init(_ method: ResizeMethod) { self.method = method }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 11 { try upgradeScaling(&node, in: &context) }
    // Before opset 13 an empty tensor stood for an omitted input.
    for index in node.inputs.indices.dropFirst()
    where context.graph.constant(node.inputs[index])?.elementCount == 0 {
      node.inputs[index] = nil
    }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if opset < 18, let axes = try AttributeReader(node.attributes).ints("axes") {
      try addAxes(axes, to: &node, in: &context)
    }
    guard opset < 13 else { return }
    while node.inputs.count > 1, node.inputs.last == .some(nil) { node.inputs.removeLast() }
    if opset >= 11 {
      while node.inputs.count < 3 { node.inputs.append(nil) }
      for index in 1...2 where node.inputs[index] == nil {
        node.inputs[index] = context.addConstant(try Tensor([Float](), shape: [0]))
      }
      return
    }
    try downgradeScaling(&node, in: context)
    if opset < 10 { node.operatorType = Upsample.schema.name }
  }

  /// Opset 10, and Upsample: coordinates are divided by the scale. The nearest neighbour is before
  /// the coordinate or, where the tensor shrinks, after it, as in onnxruntime.
  static func upgradeScaling(_ node: inout Node, in context: inout UpgradeContext) throws {
    guard node.inputs.count == 2 else {
      throw GraftError.badData("has \(node.inputs.count) inputs; expected 2")
    }
    node.attributes["coordinate_transformation_mode"] = .string("asymmetric")
    node.attributes["nearest_mode"] = .string("floor")
    if let tensor = context.graph.constant(node.inputs[1]) {
      let scales = try tensor.elements(as: Float.self)
      if scales.contains(where: { $0 < 1 }) {
        var shrinking = node.attributes
        shrinking["nearest_mode"] = .string("ceil")
        let smaller = try Tensor(scales.map { min($0, 1) }, shape: [scales.count])
        let larger = try Tensor(scales.map { max($0, 1) }, shape: [scales.count])
        if scales.contains(where: { $0 > 1 }) {
          let first = context.addBefore(
            "Resize", [node.inputs[0], nil, context.addConstant(smaller)], attributes: shrinking)
          node.inputs = [first, context.addConstant(larger)]
        } else {
          node.attributes = shrinking
        }
      }
    }
    node.inputs = [node.inputs[0], nil, node.inputs[1]]
  }

  /// Expands scales or sizes from some axes to all.
  private static func addAxes(
    _ axes: [Int], to node: inout Node, in context: inout DowngradeContext
  ) throws {
    let shape = context.type(node.inputs[0])?.shape
    guard let shape else { throw GraftError.unsupported("the rank of input 0 is unknown") }
    let places = try normalizedAxes(axes, rank: shape.count)
    // The region of interest has two numbers for each axis.
    guard node.inputs.count < 2 || node.inputs[1] == nil else {
      throw GraftError.unsupported("'axes' with a region of interest is newer")
    }
    node.attributes["axes"] = nil
    if node.inputs.count > 2, let input = node.inputs[2] {
      guard let scales = try context.constant(input)?.elements(as: Float.self),
        scales.count == places.count
      else { throw GraftError.unsupported("'scales' is not a constant") }
      var all = [Float](repeating: 1, count: shape.count)
      for (axis, scale) in zip(places, scales) { all[axis] = scale }
      node.inputs[2] = context.addConstant(try Tensor(all, shape: [all.count]))
    }
    if let sizes = try node.constantIntegers("sizes", at: 3, in: context) {
      let policy = try AttributeReader(node.attributes).string(
        "keep_aspect_ratio_policy", default: "stretch")
      guard policy == "stretch", sizes.count == places.count, var all = shape.knownShape else {
        throw GraftError.unsupported("the extents of the other axes are unknown")
      }
      for (axis, size) in zip(places, sizes) { all[axis] = size }
      node.inputs[3] = try context.addIntegers(all)
    }
  }

  /// The inverse of ``upgradeScaling(_:in:)``.
  private static func downgradeScaling(_ node: inout Node, in context: DowngradeContext) throws {
    let method = try ResizeMethod(AttributeReader(node.attributes))
    guard node.inputs.count == 3, node.inputs[1] == nil, let input = node.inputs[2] else {
      throw GraftError.unsupported("it has sizes or a region of interest instead of scales")
    }
    guard method.coordinates == .asymmetric, method.interpolation != .cubic else {
      throw GraftError.unsupported("its sampling method is newer")
    }
    let scales = try context.constant(input)?.elements(as: Float.self)
    let grows = scales?.allSatisfy { $0 >= 1 } ?? context.isFromFile(before: 11)
    let shrinks = scales?.allSatisfy { $0 <= 1 } ?? false
    if method.interpolation == .nearest {
      guard method.rounding == .floor && grows || method.rounding == .ceil && shrinks else {
        throw GraftError.unsupported("its rounding mode is newer")
      }
    }
    guard context.opset >= 10 || grows else {
      throw GraftError.unsupported("Upsample cannot shrink")
    }
    node.inputs = [node.inputs[0], input]
    node.attributes["coordinate_transformation_mode"] = nil
    node.attributes["nearest_mode"] = nil
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    if method.interpolation != .nearest { try context.require(0, .realNumbers) }
    let shape = try context.shape(0)
    context.setOutput(0, elementType, Array(repeating: .unknown, count: shape.count))
    let geometry = try context.resizeGeometry(method, first: 1, rank: shape.count)
    context.setOutput(0, elementType, try geometry.outputShape(shape))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      guard try context.output(0).elementCount > 0 else { return PreparedKernel(phases: []) }
      let axes = try context.resizeGeometry(method, first: 1, rank: input.rank)
        .resizedAxes(input.shape).filter { !$0.resized.isIdentity(method) }
      guard !axes.isEmpty else { return .alias(input: 0) }
      guard method.interpolation != .nearest else {
        return try nearestKernel(input, axes, context.instructionSet)
      }
      return try SeparableResampling(
        elementType: input.elementType, inputShape: input.shape,
        passes: axes.map { axis, resized in
          let (weights, outside) = resized.weights(method)
          return .init(
            axis: axis, weights: weights, filled: outside, fill: Double(method.extrapolationValue))
        }, instructionSet: context.instructionSet
      ).kernel()
    }
  }

  private func nearestKernel(
    _ input: PrepareContext.Description, _ axes: [(axis: Int, resized: ResizedAxis)],
    _ instructionSet: InstructionSet
  ) throws -> PreparedKernel {
    var indices = input.shape.map { (0..<$0).map(Int?.some) }
    for (axis, resized) in axes { indices[axis] = resized.nearest(method) }
    var value = Double(method.extrapolationValue)
    if let limits = input.elementType.realRange {
      value = value.rounded(.toNearestOrEven).limited(to: limits)
    }
    let fill =
      value == 0
      ? try Tensor(zeros: input.elementType, shape: [1])
      : try ElementConversion.scalar(value, as: input.elementType)
    return AxisGather(
      indices: indices, inputShape: input.shape, width: input.elementType.byteWidth, fill: fill,
      instructionSet: instructionSet
    ).kernel()
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "ResizeGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0)] + builder.node.inputs.dropFirst(),
        attributes: builder.node.attributes))
  }

  package static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4], [1, 1, 2, 2])
    let doubled = Tensor.floats([1, 1, 2, 2], [4])
    return [
      OperatorExample(
        "nearest, twice as large", inputs: [matrix, nil, doubled],
        outputs: [
          .floats([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4], [1, 1, 4, 4])
        ], differentiableInputs: [0]),
      OperatorExample(
        "linear, twice as large", attributes: ["mode": .string("linear")],
        inputs: [matrix, nil, doubled],
        outputs: [
          .floats(
            [
              1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4,
            ], [1, 1, 4, 4])
        ], differentiableInputs: [0]),
      OperatorExample(
        "linear, aligned corners, sizes of one axis",
        attributes: [
          "mode": .string("linear"), "axes": .ints([-1]),
          "coordinate_transformation_mode": .string("align_corners"),
        ], inputs: [.floats([1, 2, 4], [3]), nil, nil, .integers([5], [1])],
        outputs: [.floats([1, 1.5, 2, 3, 4], [5])], differentiableInputs: [0]),
      OperatorExample(
        "cubic at the middle",
        attributes: ["mode": .string("cubic"), "cubic_coeff_a": .float(-0.5)],
        inputs: [.floats([1, 2, 4, 8], [4]), nil, nil, .integers([2], [1])],
        outputs: [.floats([1.375, 6.125], [2])], differentiableInputs: [0]),
      OperatorExample(
        "keeps the aspect ratio",
        attributes: ["axes": .ints([0, 1]), "keep_aspect_ratio_policy": .string("not_larger")],
        inputs: [.integers([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]), nil, nil, .integers([3, 2], [2])],
        outputs: [.integers([1, 3], [1, 2])]),
    ]
  }
}
