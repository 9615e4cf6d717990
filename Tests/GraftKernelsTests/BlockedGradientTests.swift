import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Gradients in the blocked layout of every instruction set against sums in double.
@Suite struct BlockedGradientTests {
  @Test(arguments: ConvolutionCase.blocked + ConvolutionCase.randomBlocked(count: 40, seed: 21))
  func weights(_ example: ConvolutionCase) throws {
    guard example.groups == 1 else { return }
    var generator = Generator(seed: 22)
    let image = try generator.tensor(.float, example.imageShape)
    let gradient = try generator.tensor(.float, example.outputShape)
    var reference = try example.weightGradient(gradient, image)
    // Winograd's transforms round as much as their largest terms do.
    let largest = reference.magnitudes.max() ?? 0
    for index in reference.magnitudes.indices { reference.magnitudes[index] = 2 * largest }
    var attributes = example.attributes
    attributes["weights_shape"] = .ints(example.weightShape)
    try expect(
      reference, from: "BlockedConvWeightGradient", domain: "graft", attributes: attributes,
      inputs: [try image.blocked(fill: .nan), try gradient.blocked(fill: .nan)])
  }

  /// The image's gradient is a convolution with weights turned around.
  @Test(arguments: ConvolutionCase.blocked + ConvolutionCase.randomBlocked(count: 20, seed: 23))
  func images(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 24)
    let gradient = try generator.tensor(.float, example.outputShape)
    let weights = try generator.tensor(.float, example.weightShape)
    let pads = (0..<4).map {
      (example.kernel[$0 % 2] - 1) * example.dilations[$0 % 2] - example.pads[$0]
    }
    guard example.groups == 1, example.strides == [1, 1], pads.allSatisfy({ $0 >= 0 }) else {
      return
    }
    var turned = Reference(
      shape: [example.channels, example.rows, example.kernel[0], example.kernel[1]])
    let values = try weights.reals()
    let taps = example.kernel.elementCount
    for row in 0..<example.rows {
      for channel in 0..<example.channels {
        for tap in 0..<taps {
          turned.values[(channel * example.rows + row) * taps + tap] =
            values[(row * example.channels + channel) * taps + taps - 1 - tap]
        }
      }
    }
    try expect(turned, from: "TransposedKernel", domain: "graft", inputs: [weights])
    try expect(
      try example.imageGradient(gradient, weights).blocked(), from: "BlockedConv", domain: "graft",
      attributes: ["pads": .ints(pads), "dilations": .ints(example.dilations)],
      inputs: [
        try gradient.blocked(), try Tensor(turned.values.map(Float.init), shape: turned.shape),
      ])
  }

  /// Each channel has a kernel of its own. What the lanes hold that fill up the last block reaches
  /// no other.
  @Test(arguments: ConvolutionCase.depthwise(count: 40, seed: 27))
  func depthwise(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 28)
    let image = try generator.tensor(.float, example.imageShape)
    let gradient = try generator.tensor(.float, example.outputShape)
    let weights = try generator.tensor(.float, example.weightShape)
    var attributes = example.attributes
    let shape = try Tensor(
      example.imageShape.map(Int64.init), shape: [example.imageShape.count])
    try expect(
      try example.imageGradient(gradient, weights).blocked(), from: "BlockedDepthwiseInputGradient",
      domain: "graft", attributes: attributes,
      inputs: [try gradient.blocked(), weights, shape])
    attributes["weights_shape"] = .ints(example.weightShape)
    try expect(
      try example.weightGradient(gradient, image), from: "BlockedDepthwiseWeightGradient",
      domain: "graft", attributes: attributes,
      inputs: [try image.blocked(fill: .infinity), try gradient.blocked(fill: .nan)])
  }

  /// Against the pool of ordinary images, bit by bit.
  @Test func maximumPools() throws {
    var generator = Generator(seed: 25)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    for _ in 0..<30 {
      let kernel = [pick(1...3), pick(1...3)]
      let attributes: [ByteString: Attribute] = [
        "kernel_shape": .ints(kernel), "strides": .ints([pick(1...3), pick(1...3)]),
        "pads": .ints((0..<4).map { pick(0...(kernel[$0 % 2] - 1)) }),
        "dilations": .ints([1, 1]),
      ]
      let shape = [pick(1...2), pick(1...20), pick(4...9), pick(4...9)]
      // Few different values, so that some are equal.
      let x = try Tensor(
        (0..<shape.elementCount).map { _ in Float(pick(0...5)) }, shape: shape)
      let output = try result("MaxPool", domain: "", attributes, [x], .scalar)
      let arriving = try generator.tensor(.float, output.shape)
      let expected = try result(
        "MaxPoolGradient", domain: "graft", attributes, [arriving, x], .scalar)
      for instructionSet in testedInstructionSets {
        let gradient = try result(
          "BlockedMaxPoolGradient", domain: "graft", attributes,
          [try arriving.blocked(), try x.blocked()], instructionSet)
        #expect(
          try gradient.elements(as: Float.self) == expected.blocked().elements(as: Float.self))
      }
    }
  }

  @Test func sumsOfChannels() throws {
    var generator = Generator(seed: 26)
    let x = try generator.tensor(.float, [3, 21, 5, 7])
    var reference = Reference(shape: [21])
    for (index, value) in try x.reals().enumerated() {
      reference.values[index / 35 % 21] += value
      reference.magnitudes[index / 35 % 21] += abs(value)
    }
    try expect(
      reference, from: "BlockedChannelSum", domain: "graft", attributes: ["channels": .int(21)],
      inputs: [try x.blocked(fill: 9)])
  }

  private func result(
    _ type: String, domain: String, _ attributes: [ByteString: Attribute], _ inputs: [Tensor],
    _ instructionSet: InstructionSet
  ) throws -> Tensor {
    let node = Node(
      operatorType: type, domain: domain, inputs: inputs.indices.map { ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
      instructionSet: instructionSet)
    return try #require(try outputs[0]?.tensor)
  }
}
