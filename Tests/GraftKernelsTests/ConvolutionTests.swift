import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Convolutions of every instruction set against sums in double.
@Suite(.serialized) struct ConvolutionTests {
  @Test(arguments: ConvolutionCase.fixed + ConvolutionCase.random(count: 40, seed: 1))
  func convolution(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 5)
    let image = try generator.tensor(example.elementType, example.imageShape)
    let weights = try generator.tensor(example.elementType, example.weightShape)
    let bias = try generator.tensor(example.elementType, [example.weightShape[0]])
    var reference = try example.convolution(image, weights)
    let plane = example.outputShape.dropFirst(2).reduce(1, *)
    for (index, bias) in try bias.reals().enumerated() {
      for imageIndex in 0..<example.imageShape[0] {
        for position in 0..<plane {
          reference.add(
            bias, at: (imageIndex * example.weightShape[0] + index) * plane + position)
        }
      }
    }
    try expect(
      reference, from: "Conv", attributes: example.attributes, inputs: [image, weights, bias])
  }

  @Test(arguments: ConvolutionCase.fixed + ConvolutionCase.random(count: 20, seed: 2))
  func residualAndClamp(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 6)
    let image = try generator.tensor(example.elementType, example.imageShape)
    let weights = try generator.tensor(example.elementType, example.weightShape)
    let residual = try generator.tensor(example.elementType, example.outputShape)
    var reference = try example.convolution(image, weights)
    for (index, term) in try residual.reals().enumerated() { reference.add(term, at: index) }
    reference.values = reference.values.map { min(max($0, -0.5), 1) }
    try expect(
      reference, from: "FusedConv", domain: "graft",
      attributes: example.attributes.merging([
        "activation": .string("Clip"), "activation_params": .floats([-0.5, 1]),
      ]) { first, _ in first },
      inputs: [image, weights, nil, residual])
  }

  @Test(arguments: ConvolutionCase.fixed + ConvolutionCase.random(count: 30, seed: 3))
  func gradients(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 7)
    let image = try generator.tensor(example.elementType, example.imageShape)
    let weights = try generator.tensor(example.elementType, example.weightShape)
    let gradient = try generator.tensor(example.elementType, example.outputShape)
    func integers(_ shape: Shape) throws -> Tensor {
      try Tensor(shape.map(Int64.init), shape: [shape.count])
    }
    try expect(
      try example.imageGradient(gradient, weights), from: "ConvolutionInputGradient",
      domain: "graft", attributes: example.attributes,
      inputs: [gradient, weights, integers(example.imageShape)])
    try expect(
      try example.weightGradient(gradient, image), from: "ConvolutionWeightGradient",
      domain: "graft", attributes: example.attributes,
      inputs: [image, gradient, integers(example.weightShape)])
  }

  /// The transpose of a convolution is the gradient of its image.
  @Test(arguments: ConvolutionCase.fixed + ConvolutionCase.random(count: 30, seed: 4))
  func transposed(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 8)
    let gradient = try generator.tensor(example.elementType, example.outputShape)
    let weights = try generator.tensor(example.elementType, example.weightShape)
    var attributes = example.attributes
    let rank = example.strides.count
    attributes["output_padding"] = .ints(
      (0..<rank).map { axis in
        let room =
          example.imageShape[axis + 2] + example.pads[axis] + example.pads[axis + rank]
          - (example.weightShape[axis + 2] - 1) * example.dilations[axis] - 1
        return room % example.strides[axis]
      })
    try expect(
      try example.imageGradient(gradient, weights), from: "ConvTranspose",
      attributes: attributes, inputs: [gradient, weights])
  }

  @Test(arguments: [1, 4])
  func readsUnalignedInputs(groups: Int) throws {
    var example = ConvolutionCase(images: 1, groups: groups, channels: 4 / groups, rows: 8 / groups)
    example.spatial = [9, 10]
    example.kernel = [3, 3]
    var generator = Generator(seed: 9)
    let image = try generator.tensor(.float, example.imageShape)
    let weights = try generator.tensor(.float, example.weightShape)
    try expect(
      try example.convolution(image, weights), from: "Conv", attributes: example.attributes,
      inputs: [image.misaligned(), weights.misaligned()])
  }

  /// Tasks divide the output channels.
  @Test func fewPositionsOfManyChannels() throws {
    var example = ConvolutionCase(images: 1, groups: 1, channels: 129, rows: 1100, rank: 1)
    example.spatial = [7]
    example.kernel = [3]
    example.strides = [2]
    example.pads = [1, 1]
    var generator = Generator(seed: 10)
    let image = try generator.tensor(.float, example.imageShape)
    let weights = try generator.tensor(.float, example.weightShape)
    try expect(
      try example.convolution(image, weights), from: "Conv", attributes: example.attributes,
      inputs: [image, weights])
  }

  /// Between computing float16 in float and rounding once, and the exact value, is one rounding.
  @Test func halfPrecision() throws {
    let image = try Tensor((0..<32).map { Float16($0) / 8 }, shape: [1, 2, 4, 4])
    let weights = try Tensor((0..<8).map { Float16($0) / 4 - 1 }, shape: [1, 2, 2, 2])
    let wideImage = try Tensor(
      image.elements(as: Float16.self).map(Double.init), shape: image.shape)
    let wideWeights = try Tensor(
      weights.elements(as: Float16.self).map(Double.init), shape: weights.shape)
    var example = ConvolutionCase(images: 1, groups: 1, channels: 2, rows: 1)
    example.spatial = [4, 4]
    example.kernel = [2, 2]
    let reference = try example.convolution(wideImage, wideWeights)
    let node = Node(
      operatorType: "Conv", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)],
      attributes: example.attributes)
    let outputs = try evaluate(
      try OperatorCatalog.make(node), inputs: [.tensor(image), .tensor(weights)],
      wantedOutputs: [true])
    let output = try #require(try outputs[0]?.tensor).elements(as: Float16.self)
    #expect(output == reference.values.map { Float16($0) })
  }
}
