import GraftExecution
import GraftFiles
import GraftGraph

/// Normalizes each channel with given statistics, or, in training, with those of the batch.
///
/// In training it also updates the running statistics: old · momentum + new · (1 - momentum), with
/// the population variance.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>
package struct BatchNormalization: RealOperator {
  package static let schema = OperatorSchema(
    "BatchNormalization", since: [1, 6, 7, 9, 14, 15], sameSince: 14, inputs: 5...5,
    outputs: 1...3)
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]

  package let epsilon: Double
  let momentum: Double
  package internal(set) var isTraining: Bool
  /// Of the result; only the blocked form has one.
  var activation = FusedActivation.identity

  package init(_ attributes: AttributeReader) throws {
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
    momentum = Double(try attributes.float("momentum", default: 0.9))
    isTraining = try attributes.value(.trainingMode) ?? false
  }

  /// Before opset 14 the number of outputs determined whether the node trains; before 9 `spatial`
  /// could request statistics per position.
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 14 else { return }
    let attributes = AttributeReader(node.attributes)
    let isTest = try version < 7 && attributes.flag("is_test")
    let isSpatial = try version >= 9 || attributes.flag("spatial", default: true)
    for name in ["is_test", "spatial", "consumed_inputs"] { node.attributes[name] = nil }
    // Saved values for the backward pass do not exist in the newest form.
    node.outputs = Array(node.outputs.prefix(3))
    while node.outputs.count > 1, node.outputs.last == .some(nil) { node.outputs.removeLast() }
    if isTest { node.outputs = Array(node.outputs.prefix(1)) }
    if node.outputs.count > 1 { node.set(.trainingMode, true) }
    if !isSpatial { try flattenMaps(&node, &context) }
  }

  /// Before opset 14 a node with all its outputs trains; before 7 inference is an attribute.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let isTraining = try AttributeReader(node.attributes).value(.trainingMode) ?? false
    node.remove(.trainingMode)
    if isTraining {
      // Older opsets do not specify that the variance is that of the population.
      guard context.isFromFile(before: 14) else {
        throw GraftError.unsupported("training mode had another meaning")
      }
      while node.outputs.count < 5 { node.outputs.append(nil) }
      for index in node.outputs.indices where node.outputs[index] == nil {
        let type = context.type(node.inputs[3])
        node.outputs[index] = context.graph.addValue(type: type.map { .tensor($0) })
      }
    } else if opset < 7 {
      node.attributes["is_test"] = .int(1)
    }
    if opset < 6 { node.attributes["consumed_inputs"] = .ints([0, 0, 0, 1, 1]) }
  }

  /// Makes each position of the map a channel.
  private static func flattenMaps(_ node: inout Node, _ context: inout UpgradeContext) throws {
    guard node.inputs.count == 5, let output = node.outputs.first ?? nil else { return }
    guard node.outputs.count == 1 else {
      throw GraftError.unsupported("'spatial' = 0 is supported for inference only")
    }
    let shape = context.addBefore("Shape", [node.inputs[0]])
    node.inputs[0] = context.addBefore(
      "Flatten", [node.inputs[0]], attributes: ["axis": .int(1)])
    let flat = try context.addIntegers([-1])
    for index in 1..<5 {
      node.inputs[index] = context.addBefore("Reshape", [node.inputs[index], flat])
    }
    let flatOutput = context.graph.addValue()
    node.outputs[0] = flatOutput
    context.addAfter("Reshape", [flatOutput, shape], output: output)
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in 0..<5 { try context.require(index, .floatingPoint) }
    try context.requireSameElementType([1, 2])
    try context.requireSameElementType([3, 4])
    let statisticsType = try context.elementType(3)
    if context.wantedOutputs.dropFirst().contains(true), !isTraining {
      throw GraftError.badData("running statistics are outputs only if 'training_mode' is 1")
    }
    try context.setOutputLikeInput()
    for index in 1...2 { context.setOutput(index, statisticsType, nil) }
    let shape = try context.shape(0)
    try context.requireRank(0, atLeast: 1)
    let channels = [shape.count > 1 ? shape[1] : 1]
    for index in 1..<5 { try context.requireShapeAgrees(index, channels) }
    for index in 1...2 { context.setOutput(index, statisticsType, channels) }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let layout = ChannelPlanes(try context.input(0).shape)
    guard isTraining else { return inferenceKernel(context, layout, Element.self) }
    return trainingKernel(context, layout, Element.self)
  }

  private func inferenceKernel<Element: RealElement>(
    _ context: PrepareContext, _ layout: ChannelPlanes, _: Element.Type
  ) -> PreparedKernel {
    let instructionSet = context.instructionSet
    let epsilon = Element(epsilon)
    return PreparedKernel.parallel(
      count: layout.batch * layout.channels, grain: layout.grain, inPlaceInputs: [0]
    ) { arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let scale = arguments.input(1, as: Element.self)
      let bias = arguments.input(2, as: Element.self)
      let mean = arguments.input(3, as: Element.self)
      let variance = arguments.input(4, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes {
        let channel = plane % layout.channels
        Element.normalize(
          x + plane * layout.count, y + plane * layout.count, count: layout.count,
          mean: mean[channel], scale: scale[channel] / (variance[channel] + epsilon).squareRoot(),
          shift: bias[channel], instructionSet)
      }
    }
  }

  /// First the statistics of each channel, then the planes. Scratch: means, then inverse
  /// deviations.
  private func trainingKernel<Element: RealElement>(
    _ context: PrepareContext, _ layout: ChannelPlanes, _: Element.Type
  ) -> PreparedKernel {
    let instructionSet = context.instructionSet
    let (epsilon, momentum) = (epsilon, momentum)
    let hasOutput = (0...2).map(context.hasOutput)
    let (hasResult, hasMean, hasVariance) = (hasOutput[0], hasOutput[1], hasOutput[2])
    let statistics = PreparedKernel.Phase.parallel(
      count: layout.channels, grain: max(1, layout.grain / max(1, layout.batch))
    ) { arguments, channels in
      guard let scratch = arguments.scratch?.assumingMemoryBound(to: Element.self) else { return }
      let x = arguments.input(0, as: Element.self)
      let oldMean = arguments.input(3, as: Element.self)
      let oldVariance = arguments.input(4, as: Element.self)
      for channel in channels {
        let (mean, variance) = layout.moments(of: x, channel: channel, instructionSet)
        scratch[channel] = Element(mean)
        scratch[layout.channels + channel] = Element(1 / (variance + epsilon).squareRoot())
        func running(_ old: Element, _ new: Double) -> Element {
          Element(Double(old) * momentum + new * (1 - momentum))
        }
        if hasMean {
          arguments.output(1, as: Element.self)[channel] = running(oldMean[channel], mean)
        }
        if hasVariance {
          arguments.output(2, as: Element.self)[channel] = running(oldVariance[channel], variance)
        }
      }
    }
    let normalize = PreparedKernel.Phase.parallel(
      count: layout.batch * layout.channels, grain: layout.grain
    ) { arguments, planes in
      guard hasResult,
        let scratch = arguments.scratch?.assumingMemoryBound(to: Element.self)
      else { return }
      let y = arguments.output(0, as: Element.self)
      let x = arguments.input(0, as: Element.self)
      let scale = arguments.input(1, as: Element.self)
      let bias = arguments.input(2, as: Element.self)
      for plane in planes {
        let channel = plane % layout.channels
        Element.normalize(
          x + plane * layout.count, y + plane * layout.count, count: layout.count,
          mean: scratch[channel], scale: scale[channel] * scratch[layout.channels + channel],
          shift: bias[channel], instructionSet)
      }
    }
    return PreparedKernel(
      phases: [statistics, normalize],
      scratchByteCount: 2 * layout.channels * MemoryLayout<Element>.stride)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let x = try builder.input(0)
    let rank = try builder.rank(of: x)
    if isTraining {
      let gradients = builder.add(
        "BatchNormalizationGradient", domain: "graft", [gradient, x, try builder.input(1)],
        attributes: ["epsilon": .float(Float(epsilon))], outputCount: 3)
      for (input, gradient) in gradients.enumerated() where builder.needs(input) {
        builder.setInputGradient(input, gradient)
      }
      return
    }
    if builder.needs(2) {
      builder.setInputGradient(2, try builder.sumPerChannel(gradient, rank: rank))
    }
    try inferenceGradient(&builder, gradient, rank: rank)
  }

  /// With given statistics: factor = scale / √(variance + ε), y = (x - mean) · factor + bias.
  private func inferenceGradient(
    _ builder: inout GradientBuilder, _ gradient: ValueID, rank: Int
  ) throws {
    let variance = try builder.input(4)
    let shifted = builder.add("Add", [variance, try builder.addScalar(epsilon, like: variance)])
    let inverse = builder.add("Reciprocal", [builder.add("Sqrt", [shifted])])
    let factor = builder.add("Mul", [try builder.input(1), inverse])
    if builder.needs(0) {
      let perChannel = try builder.alongChannels(factor, rank: rank)
      builder.setInputGradient(0, builder.add("Mul", [gradient, perChannel]))
    }
    if builder.needs(3) {
      let sum = try builder.sumPerChannel(gradient, rank: rank)
      builder.setInputGradient(3, builder.add("Neg", [builder.add("Mul", [sum, factor])]))
    }
    guard builder.needs(1) || builder.needs(4) else { return }
    let mean = try builder.alongChannels(try builder.input(3), rank: rank)
    let centered = builder.add("Sub", [try builder.input(0), mean])
    let product = try builder.sumPerChannel(
      builder.add("Mul", [gradient, centered]), rank: rank)
    if builder.needs(1) {
      builder.setInputGradient(1, builder.add("Mul", [product, inverse]))
    }
    if builder.needs(4) {
      let slope = builder.add("Div", [builder.add("Mul", [product, factor]), shifted])
      let half = try builder.addScalar(-0.5, like: slope)
      builder.setInputGradient(4, builder.add("Mul", [slope, half]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "inference",
        inputs: [
          .floats(
            [-1.15, -1.69, 0.82, -1.02, -0.01, 0.84, -1.64, -2.11, 0.26, 0.04, -0.25, 0.04],
            [2, 2, 3]), .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
          .floats([0.1, -0.2], [2]), .floats([0.8, 1.2], [2]),
        ],
        outputs: [
          .floats(
            [
              -1.8463006, -2.7519026, 1.4574692, 1.3742754, 0.9132776, 0.5253091, -2.6680505,
              -3.4562593, 0.51832646, 0.89045596, 1.0228217, 0.89045596,
            ], [2, 2, 3])
        ],
        differentiableInputs: [0, 1, 2, 3, 4]),
      OperatorExample(
        "training",
        attributes: ["training_mode": .int(1), "momentum": .float(0.75), "epsilon": .float(0.01)],
        inputs: [
          .floats(
            [-1.15, -1.69, 0.82, -1.02, -0.01, 0.84, -1.64, -2.11, 0.26, 0.04, -0.25, 0.04],
            [2, 2, 1, 3]), .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
          .floats([0.1, -0.2], [2]), .floats([0.8, 1.2], [2]),
        ],
        outputs: [
          .floats(
            [
              -0.070346, -0.817052, 2.653748, 1.8643856, 0.9549799, 0.1896385, -0.7479126,
              -1.3978232, 1.8793861, 0.9099598, 1.1710763, 0.9099598,
            ], [2, 2, 1, 3]), .floats([-0.15458333, -0.165], [2]),
          .floats([0.89167845, 0.9745917], [2]),
        ],
        differentiableInputs: [0, 1, 2], differentiableOutputs: [0]),
      OperatorExample(
        "a matrix",
        inputs: [
          .floats([-0.86, -1.51, -0.17, -0.97, -1.64, 0.51], [3, 2]), .floats([1.5, -0.5], [2]),
          .floats([0.25, 1], [2]), .floats([0.1, -0.2], [2]), .floats([0.8, 1.2], [2]),
        ],
        outputs: [
          .floats([-1.3599589, 1.597928, -0.20280093, 1.3514538, -2.6680505, 0.67593217], [3, 2])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "one axis",
        inputs: [
          .floats([-1, -0.89, 0.2], [3]), .floats([1.5], [1]), .floats([0.25], [1]),
          .floats([0.1], [1]), .floats([0.8], [1]),
        ],
        outputs: [.floats([-1.5947447, -1.4102701, 0.41770405], [3])],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}

extension AttributeKey<Bool> {
  /// Whether a BatchNormalization uses the statistics of the batch.
  package static var trainingMode: Self { Self("training_mode") }
}
