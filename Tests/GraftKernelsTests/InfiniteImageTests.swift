import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Convolutions of images with infinite elements and NaN, in every way to compute them: only
/// outputs that read such an element are infinite or NaN. The lanes that fill up the last block of
/// channels hold NaN, too.
@Suite(.serialized) struct InfiniteImageTests {
  private static let small = ConvolutionCase.blocked.filter { $0.imageShape.elementCount < 40_000 }

  /// Layers with tiles of each size, whole ones and parts.
  private static let tiled = [(17, [20, 27]), (33, [13, 12]), (16, [38, 25])].map { size in
    var layer = ConvolutionCase(images: 2, groups: 1, channels: size.0, rows: 21)
    (layer.spatial, layer.kernel, layer.pads) = (size.1, [3, 3], [1, 1, 1, 1])
    return layer
  }

  @Test(arguments: small + tiled + ConvolutionCase.randomBlocked(count: 60, seed: 31), [1, 3])
  func onlyReadersAreInfinite(_ layer: ConvolutionCase, _ count: Int) throws {
    var generator = Generator(seed: 32)
    var pixels = generator.floats(layer.imageShape.elementCount)
    for _ in 0..<count {
      let element = generator.pick([.infinity, -.infinity, .nan] as [Float]) ?? 0
      pixels[generator.below(pixels.count)] = element
    }
    let image = try Tensor(pixels, shape: layer.imageShape)
    // None is 0.
    let weights = try Tensor(
      generator.floats(layer.weightShape.elementCount).map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 },
      shape: layer.weightShape)
    let residual = try generator.tensor(.float, layer.outputShape)
    let bias = try generator.tensor(.float, [layer.weightShape[0]])
    var reference = try layer.convolution(image, weights)
    reference.addBias(try bias.reals())
    for (index, term) in try residual.reals().enumerated() { reference.add(term, at: index) }
    let inputs = [try image.blocked(fill: .nan), weights, bias, try residual.blocked(fill: .nan)]
    try expect(reference, "BlockedConv", layer.attributes, inputs)
    guard layer.groups == 1 else { return }
    try expect(
      reference, "BlockedConv", layer.attributes.merging(["planar_input": .int(1)]) { $1 },
      [image] + inputs[1...])
  }

  @Test(arguments: [7, 20])
  func depthwise(_ channels: Int) throws {
    var layer = ConvolutionCase(images: 1, groups: channels, channels: 1, rows: 1)
    (layer.spatial, layer.kernel, layer.pads) = ([9, 11], [3, 3], [1, 1, 1, 1])
    var generator = Generator(seed: 33)
    var pixels = generator.floats(layer.imageShape.elementCount)
    pixels[generator.below(pixels.count)] = .infinity
    let image = try Tensor(pixels, shape: layer.imageShape)
    let weights = try generator.tensor(.float, layer.weightShape)
    try expect(
      layer.convolution(image, weights), "BlockedDepthwiseConv", layer.attributes,
      [try image.blocked(fill: .nan), weights])
  }

  /// Computes a node in blocks in every way that there is.
  private func expect(
    _ reference: Reference, _ operatorType: String, _ attributes: [ByteString: Attribute],
    _ inputs: [Tensor], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let node = Node(
      operatorType: operatorType, domain: "graft", inputs: inputs.indices.map { ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let operation = try OperatorCatalog.make(node)
    for instructionSet in testedInstructionSets {
      for precision in [Precision.float, .exact, .bfloat16] {
        for choice in try kernelChoices(operation, inputs, instructionSet, precision) {
          let outputs = try evaluate(
            operation, inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
            instructionSet: instructionSet, precision: precision,
            tuning: TuningRecord(choices: choice.map { [$0.problem: $0.name] } ?? [:]),
            treatInputsAsConstant: true, threads: 2)
          let output = try #require(try outputs[0]?.tensor)
          let isNarrow = choice?.name.contains("bfloat16") == true
          let wrong = try firstDifference(output, reference, bound: isNarrow ? 1e-2 : 1e-5)
          #expect(
            wrong == nil, "\(choice?.name ?? ""), \(precision), \(instructionSet)",
            sourceLocation: sourceLocation)
        }
      }
    }
  }

  /// The first of the real channels' elements that is wrong, in words.
  ///
  /// - Parameter bound: relative to the largest sum of magnitudes
  private func firstDifference(
    _ output: Tensor, _ reference: Reference, bound: Double
  ) throws -> String? {
    let allowed = bound * (reference.magnitudes.filter(\.isFinite).max() ?? 1)
    let found = try output.planar(reference.shape)
    for (index, expected) in reference.values.enumerated() {
      let isRight =
        expected.isFinite
        ? abs(found[index] - expected) <= allowed
        : expected.isNaN ? found[index].isNaN : found[index] == expected
      guard isRight else { return "element \(index) is \(found[index]), not \(expected)" }
    }
    return nil
  }
}
