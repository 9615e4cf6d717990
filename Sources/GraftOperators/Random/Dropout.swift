import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Passes its input through; in training mode it sets a fraction of the elements to zero and scales
/// the others.
///
/// The specification does not define the random numbers, but its test cases do: with the attribute
/// `seed`, they are those of NumPy's `RandomState(seed)`, where a seed counts modulo 2^32. Without
/// it they are a function of the element, the same in each run. Training uses ``TrainingDropout``.
/// Up to opset 6, `is_test` selected the mode. Exported networks left it at its default of 0, so it
/// is ignored, as in opsets 7 to 11, which do not have it.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Dropout.html>
package struct Dropout: Operator {
  package static let schema = OperatorSchema(
    "Dropout", since: [1, 6, 7, 10, 12, 13, 22], sameSince: 12, inputs: 1...3, outputs: 1...2)

  private let seed: Int?

  package init(_ attributes: AttributeReader) throws { seed = try attributes.int("seed") }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 12 else { return }
    node.dropConsumedInputs()
    node.attributes["is_test"] = nil
    if let ratio = try AttributeReader(node.attributes).float("ratio") {
      node.attributes["ratio"] = nil
      node.inputs = [node.inputs.first ?? nil, context.addConstant(try Tensor(scalar: ratio))]
    }
    if version < 10, node.outputs.count > 1, let mask = node.outputs[1] {
      // The mask had the type of the data.
      let isKept = context.graph.addValue()
      node.outputs[1] = isKept
      if let type = context.type(node.inputs[0])?.elementType {
        context.addAfter(
          "Cast", [isKept], output: mask, attributes: ["to": .int(Int(type.rawValue))])
      } else {
        context.addAfter("CastLike", [isKept, node.inputs[0]], output: mask)
      }
    }
  }

  /// Before opset 12 the ratio is an attribute, without a training mode; before 10 the mask has the
  /// type of the data.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if node.inputs.count > 2, let mode = node.inputs[2] {
      guard let trains = context.constant(mode), try trains.elements(as: Bool.self) == [false]
      else {
        throw GraftError.unsupported("it is in training mode")
      }
    }
    if node.inputs.count > 1, let input = node.inputs[1] {
      guard let ratio = try context.constant(input)?.doubles().first else {
        throw GraftError.unsupported("the ratio is not a constant")
      }
      node.attributes["ratio"] = .float(Float(ratio))
    }
    node.removeInputs(from: 1)
    node.attributes["seed"] = nil
    if opset < 7 { node.attributes["is_test"] = .int(1) }
    let hasMask = node.outputs.count > 1 && node.outputs[1] != nil
    guard !hasMask || context.isFromFile(before: 12) else {
      throw GraftError.unsupported("the mask of inference was undefined")
    }
    if opset < 10, node.outputs.count > 1, let mask = node.outputs[1] {
      let type = context.graph[node.outputs[0] ?? mask].type
      node.outputs[1] = try context.addAfter(
        "Cast", output: mask, type: type, attributes: ["to": .int(Int(ElementType.bool.rawValue))])
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPointAndFloat8)
    try context.setOutputLikeInput()
    context.setOutput(1, .bool, try context.input(0).shape)
    if context.hasInput(1) {
      try context.require(1, .floatingPointAndFloat8)
      try context.requireOneElement(1)
    }
    if context.hasInput(2) {
      try context.require(2, [.bool])
      try context.requireOneElement(2)
    }
  }

  package func isIdentity(_ context: InferenceContext) -> Bool {
    !context.hasInput(2) || (try? context.inputContents[2]?.elements(as: Bool.self)) == [false]
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let isTraining = context.hasInput(2) ? try context.constant(2)?.integers().first != 0 : false
    if isTraining {
      let source: DropoutKernel.Source =
        seed.map { .twister(seed: UInt32(truncatingIfNeeded: $0)) }
        ?? .counter(seed: 0, stream: 0, stepInput: nil)
      return try DropoutKernel(source: source, trainingInput: 2).prepared(context)
    }
    guard context.hasOutput(1) else { return .alias(input: 0) }
    let input = try context.input(0)
    let width = input.elementType.byteWidth
    return PreparedKernel.parallel(
      count: input.elementCount, grain: 65536, inPlaceInputs: [0]
    ) { arguments, range in
      let mask = arguments.output(1, as: Bool.self)
      for index in range { mask[index] = true }
      let source = arguments.input(0) + range.lowerBound * width
      let destination = arguments.output(0) + range.lowerBound * width
      if source != UnsafeRawPointer(destination) {
        destination.copyMemory(from: source, byteCount: range.count * width)
      }
    }
  }

  /// If the node has no mask output, the same mask is drawn again.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let node = builder.node
    let gradient = try builder.outputGradient()
    guard node.inputs.count > 2, let training = node.inputs[2] else {
      builder.setInputGradient(0, gradient)
      return
    }
    let mask =
      if node.outputs.count > 1, let mask = node.outputs[1] {
        mask
      } else {
        builder.add("Dropout", node.inputs, attributes: node.attributes, outputCount: 2)[1]
      }
    builder.setInputGradient(
      0,
      builder.add("DropoutGradient", domain: "graft", [gradient, mask, node.inputs[1], training]))
  }

  package var isDeterministic: Bool { false }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "inference", inputs: [.floats([1, -2, 3], [3])], outputs: [.floats([1, -2, 3], [3])],
        differentiableInputs: [0]),
      OperatorExample(
        "inference with a mask", inputs: [.floats([1, -2], [2, 1]), .floats([0.75], [])],
        outputs: [.floats([1, -2], [2, 1]), .bools([true, true], [2, 1])]),
      OperatorExample(
        "training, nothing dropped", attributes: ["seed": .int(3)],
        inputs: [.floats([1, -2], [2]), .floats([0], []), .bools([true], [])],
        outputs: [.floats([1, -2], [2]), .bools([true, true], [2])], differentiableInputs: [0]),
      // RandomState(0).uniform() is 0.5488, 0.7152, 0.6028, 0.5449, 0.4237, …
      OperatorExample(
        "training, as NumPy draws", attributes: ["seed": .int(0)],
        inputs: [.floats([1, 2, 3, 4, 5], [5]), .floats([0.6], []), .bools([true], [])],
        outputs: [
          .floats([0, 5, 7.5, 0, 0], [5]), .bools([false, true, true, false, false], [5]),
        ], tolerance: 1e-5, differentiableInputs: [0]),
      OperatorExample(
        "training, all dropped",
        inputs: [.floats([1, -2], [2]), .floats([1], []), .bools([true], [])],
        outputs: [.floats([0, 0], [2]), .bools([false, false], [2])]),
    ]
  }
}
