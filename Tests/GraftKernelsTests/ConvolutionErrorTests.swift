import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// The rounding errors of convolution layers and their gradients, for every way to compute them:
/// their root mean square is bounded by 5e-6 of that of the sums in double.
@Suite(.serialized) struct ConvolutionErrorTests {
  private static let bound = 5e-6
  /// A direct sum is cut into short ones.
  private static let directBound = 1.5e-6

  /// What images and weights are like.
  enum Content: CaseIterable, Sendable {
    case centred
    /// Without negative numbers.
    case afterRelu
    case largeMean
    /// Sums in which little cancels.
    case weightsWithMean
    /// Channels and pixels of scales that differ by factors of thousands.
    case largeRange
  }

  private static func layer(
    _ channels: Int, _ size: Int, rows: Int = 16, images: Int = 1, kernel: [Int] = [3, 3],
    strides: [Int] = [1, 1], dilations: [Int] = [1, 1], pads: [Int] = [1, 1, 1, 1], groups: Int = 1
  ) -> ConvolutionCase {
    var result = ConvolutionCase(images: images, groups: groups, channels: channels, rows: rows)
    result.spatial = [size, size]
    (result.kernel, result.strides, result.dilations) = (kernel, strides, dilations)
    result.pads = pads
    return result
  }

  static let layers = [
    layer(3, 112), layer(16, 56), layer(64, 56), layer(96, 28),
    layer(128, 14), layer(128, 28), layer(256, 14), layer(256, 28),
    layer(512, 7), layer(512, 14), layer(512, 28, rows: 8),
    layer(64, 31, rows: 20, pads: [0, 2, 1, 0]), layer(48, 30, images: 2, pads: [0, 0, 0, 0]),
    layer(64, 56, strides: [2, 2]), layer(128, 28, dilations: [2, 2], pads: [2, 2, 2, 2]),
    layer(3, 112, kernel: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3]),
    layer(512, 14, kernel: [1, 1], pads: [0, 0, 0, 0]),
    layer(64, 14, kernel: [5, 5], pads: [2, 2, 2, 2]), layer(64, 28, groups: 2),
    layer(8, 14, rows: 8, groups: 8),
  ]

  @Test(arguments: layers, Content.allCases)
  func results(_ layer: ConvolutionCase, _ content: Content) throws {
    let (image, weights) = try operands(layer, content)
    let reference = DirectSums(layer).convolution(
      try image.elements(as: Float.self), try weights.elements(as: Float.self))
    var blocked = layer.attributes
    try expectSmallError(
      reference, "Conv", domain: "", layer.attributes, [image, weights], layer.outputShape)
    let errors = try expectSmallError(
      reference, "BlockedConv", domain: "graft", blocked, [try image.blocked(), weights],
      layer.outputShape)
    if layer.kernel == [3, 3], layer.strides == [1, 1], layer.dilations == [1, 1],
      layer.groups == 1
    {
      #expect(Set(errors).isSuperset(of: ["direct", "F(2)", "F(4)"]))
      #expect(errors.contains("F(6)") == (layer.channels <= 128))
    }
    guard layer.groups == 1 else { return }
    blocked["planar_input"] = .int(1)
    try expectSmallError(
      reference, "BlockedConv", domain: "graft", blocked, [image, weights], layer.outputShape)
  }

  static let trainedLayers = [
    layer(16, 7, images: 100), layer(16, 28, images: 16), layer(3, 112),
    layer(16, 56, images: 32), layer(32, 14, images: 16, pads: [0, 1, 2, 1]),
    layer(16, 28, images: 8, strides: [2, 2]),
    layer(16, 56, images: 8, kernel: [1, 1], pads: [0, 0, 0, 0]),
  ]

  /// Of weights: sums over all pixels of a batch.
  @Test(arguments: trainedLayers, [Content.centred, .afterRelu, .largeMean, .largeRange])
  func weightGradients(_ layer: ConvolutionCase, _ content: Content) throws {
    var generator = Generator(seed: 41)
    let (image, _) = try operands(layer, content)
    let gradient = try generator.normal(layer.outputShape)
    let reference = DirectSums(layer).weightGradient(
      try gradient.elements(as: Float.self), try image.elements(as: Float.self))
    let shape = try Tensor(layer.weightShape.map(Int64.init), shape: [4])
    try expectSmallError(
      reference, "ConvolutionWeightGradient", domain: "graft", layer.attributes,
      [image, gradient, shape], nil)
    try expectSmallError(
      reference, "BlockedConvWeightGradient", domain: "graft",
      layer.attributes.merging(["weights_shape": .ints(layer.weightShape)]) { $1 },
      [try image.blocked(), try gradient.blocked()], nil)
  }

  /// Of images, beside the convolutions with turned weights that the blocked layout makes of them.
  @Test(arguments: [layer(16, 28, rows: 64), layer(8, 14, rows: 256, strides: [2, 2])])
  func imageGradients(_ layer: ConvolutionCase) throws {
    var generator = Generator(seed: 42)
    let gradient = try generator.normal(layer.outputShape)
    let weights = try generator.normal(layer.weightShape)
    let reference = DirectSums(layer).imageGradient(
      try gradient.elements(as: Float.self), try weights.elements(as: Float.self))
    try expectSmallError(
      reference, "ConvolutionInputGradient", domain: "graft", layer.attributes,
      [gradient, weights, try Tensor(layer.imageShape.map(Int64.init), shape: [4])], nil)
  }

  // MARK: Helpers

  private func operands(
    _ layer: ConvolutionCase, _ content: Content
  ) throws -> (image: Tensor, weights: Tensor) {
    var generator = Generator(seed: 40)
    var pixels = try generator.normal(layer.imageShape).elements(as: Float.self)
    var weights = try generator.normal(layer.weightShape).elements(as: Float.self)
    let plane = layer.spatial.elementCount
    switch content {
    case .centred: break
    case .afterRelu: pixels = pixels.map { max($0, 0) }
    case .largeMean: pixels = pixels.map { 20 + $0 }
    case .weightsWithMean: weights = weights.map { 1 + $0 }
    case .largeRange:
      let scales = (0..<(pixels.count / plane)).map { _ in
        exp2(Float.random(in: -6...6, using: &generator))
      }
      let ranges = try generator.normal(layer.imageShape).elements(as: Float.self)
      for index in pixels.indices { pixels[index] *= scales[index / plane] * exp(ranges[index]) }
    }
    return (
      try Tensor(pixels, shape: layer.imageShape), try Tensor(weights, shape: layer.weightShape)
    )
  }

  /// Computes a node in every way that there is, and checks each.
  ///
  /// - Parameter blockedFrom: the shape of an output in the blocked layout, if it is in one
  /// - Returns: names of the ways
  @discardableResult
  private func expectSmallError(
    _ reference: [Double], _ operatorType: String, domain: String,
    _ attributes: [ByteString: Attribute], _ inputs: [Tensor], _ outputShape: Shape?,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let node = Node(
      operatorType: operatorType, domain: domain, inputs: inputs.indices.map { ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let operation = try OperatorCatalog.make(node)
    var names: [String] = []
    for instructionSet in testedInstructionSets {
      for precision in [Precision.float, .exact] {
        for choice in try kernelChoices(operation, inputs, instructionSet, precision) {
          let tuning = TuningRecord(choices: choice.map { [$0.problem: $0.name] } ?? [:])
          let outputs = try evaluate(
            operation, inputs: inputs.map { .tensor($0) }, wantedOutputs: [true],
            instructionSet: instructionSet, precision: precision, tuning: tuning,
            treatInputsAsConstant: true, threads: 2)
          let output = try #require(try outputs[0]?.tensor)
          let values = try output.rank == 5 ? output.planar(outputShape) : output.reals()
          let name = choice?.name ?? "\(precision)"
          let isDirect = precision == .exact || name == "direct"
          let error = relativeError(values, reference)
          #expect(
            error < (isDirect ? Self.directBound : Self.bound),
            "\(operatorType), \(name), \(instructionSet)", sourceLocation: sourceLocation)
          names.append(String(name.prefix { $0 != "," }))
          if precision == .exact {
            #expect(!name.hasPrefix("F("), sourceLocation: sourceLocation)
          }
        }
      }
    }
    return names
  }

  private func relativeError(_ values: [Double], _ reference: [Double]) -> Double {
    guard values.count == reference.count else { return .infinity }
    var (error, size) = (0.0, 0.0)
    for (value, expected) in zip(values, reference) {
      error += (value - expected) * (value - expected)
      size += expected * expected
    }
    return (error / size).squareRoot()
  }
}

/// A convolution as sums in double, row by row of the image: quick enough for layers of real
/// networks.
private struct DirectSums {
  private let layer: ConvolutionCase

  init(_ layer: ConvolutionCase) { self.layer = layer }

  func convolution(_ image: [Float], _ weights: [Float]) -> [Double] {
    var result = [Double](repeating: 0, count: layer.outputShape.elementCount)
    result.withUnsafeMutableBufferPointer { result in
      forEachSegment { x, w, y, count in
        let weight = Double(weights[w])
        for i in 0..<count { result[y + i] += Double(image[x + i * layer.strides[1]]) * weight }
      }
    }
    return result
  }

  func weightGradient(_ gradient: [Float], _ image: [Float]) -> [Double] {
    var result = [Double](repeating: 0, count: layer.weightShape.elementCount)
    forEachSegment { x, w, y, count in
      var sum = 0.0
      for i in 0..<count {
        sum += Double(image[x + i * layer.strides[1]]) * Double(gradient[y + i])
      }
      result[w] += sum
    }
    return result
  }

  func imageGradient(_ gradient: [Float], _ weights: [Float]) -> [Double] {
    var result = [Double](repeating: 0, count: layer.imageShape.elementCount)
    forEachSegment { x, w, y, count in
      let weight = Double(weights[w])
      for i in 0..<count { result[x + i * layer.strides[1]] += Double(gradient[y + i]) * weight }
    }
    return result
  }

  /// Calls `body` for what a tap has to do with a row of outputs: the places of the first pixel, of
  /// the weight and of the first output, and the number of outputs.
  private func forEachSegment(_ body: (_ image: Int, _ weight: Int, _ output: Int, Int) -> Void) {
    let (height, width) = (layer.spatial[0], layer.spatial[1])
    let (outputHeight, outputWidth) = (layer.outputShape[2], layer.outputShape[3])
    let (stride, taps) = (layer.strides[1], layer.kernel.elementCount)
    for image in 0..<layer.images {
      for row in 0..<(layer.groups * layer.rows) {
        let outputPlane = (image * layer.groups * layer.rows + row) * outputHeight * outputWidth
        for channel in 0..<layer.channels {
          let plane =
            (image * layer.groups + row / layer.rows) * layer.channels + channel
          for tap in 0..<taps {
            let (tapRow, tapColumn) = tap.quotientAndRemainder(dividingBy: layer.kernel[1])
            let left = tapColumn * layer.dilations[1] - layer.pads[1]
            let first = left < 0 ? (-left + stride - 1) / stride : 0
            let past = left >= width ? 0 : min(outputWidth, (width - 1 - left) / stride + 1)
            guard past > first else { continue }
            for y in 0..<outputHeight {
              let imageRow = y * layer.strides[0] + tapRow * layer.dilations[0] - layer.pads[0]
              guard imageRow >= 0, imageRow < height else { continue }
              body(
                (plane * height + imageRow) * width + first * stride + left,
                (row * layer.channels + channel) * taps + tap,
                outputPlane + y * outputWidth + first, past - first)
            }
          }
        }
      }
    }
  }
}

extension Generator {
  /// A tensor of floats of the standard normal distribution.
  fileprivate mutating func normal(_ shape: Shape) throws -> Tensor {
    let elements = (0..<shape.elementCount).map { _ in
      let radius =
        (-2 * Foundation.log(Float.random(in: Float.leastNormalMagnitude...1, using: &self)))
        .squareRoot()
      return radius * Foundation.cos(Float.random(in: 0...(2 * .pi), using: &self))
    }
    return try Tensor(elements, shape: shape)
  }
}

extension Tensor {
  /// [N, C / 16, H, W, 16] as the elements of [N, C, H, W].
  func planar(_ shape: Shape?) throws -> [Double] {
    let shape = try #require(shape)
    let source = try elements(as: Float.self)
    let (channels, size) = (shape[1], shape[2] * shape[3])
    let blocks = self.shape[1]
    var result = [Double](repeating: 0, count: shape.elementCount)
    for index in result.indices {
      let (plane, position) = index.quotientAndRemainder(dividingBy: size)
      let (image, channel) = plane.quotientAndRemainder(dividingBy: channels)
      let (block, lane) = channel.quotientAndRemainder(dividingBy: channelBlock)
      result[index] = Double(
        source[((image * blocks + block) * size + position) * channelBlock + lane])
    }
    return result
  }
}
