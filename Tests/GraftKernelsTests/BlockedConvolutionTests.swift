import Foundation
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Convolutions in the blocked layout of every instruction set against sums in double.
@Suite(.serialized) struct BlockedConvolutionTests {
  @Test(arguments: ConvolutionCase.blocked + ConvolutionCase.randomBlocked(count: 40, seed: 11))
  func convolution(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 5)
    let image = try generator.tensor(.float, example.imageShape)
    let weights = try generator.tensor(.float, example.weightShape)
    let bias = try generator.tensor(.float, [example.weightShape[0]])
    let residual = try generator.tensor(.float, example.outputShape)
    var reference = try example.convolution(image, weights)
    reference.addBias(try bias.reals())
    for (index, term) in try residual.reals().enumerated() { reference.add(term, at: index) }
    reference.values = reference.values.map { max($0, 0) }
    var attributes = example.attributes
    attributes["activation"] = .string("Relu")
    try expect(
      try reference.blocked(), from: "BlockedConv", domain: "graft", attributes: attributes,
      inputs: [try image.blocked(), weights, bias, try residual.blocked()])
    guard example.groups == 1 else { return }
    attributes["planar_input"] = .int(1)
    try expect(
      try reference.blocked(), from: "BlockedConv", domain: "graft", attributes: attributes,
      inputs: [image, weights, bias, try residual.blocked()], "planar")
  }

  @Test(arguments: ConvolutionCase.blocked + ConvolutionCase.randomBlocked(count: 20, seed: 12))
  func pooledSquares(_ example: ConvolutionCase) throws {
    var generator = Generator(seed: 6)
    let image = try generator.tensor(.float, example.imageShape)
    let weights = try generator.tensor(.float, example.weightShape)
    let reference = try example.convolution(image, weights).pooledSquares()
    var attributes = example.attributes
    attributes["pools"] = .int(1)
    try expect(
      try reference.blocked(), from: "BlockedConv", domain: "graft", attributes: attributes,
      inputs: [try image.blocked(), weights])
  }

  @Test(arguments: ["Sigmoid", "LeakyRelu"])
  func activationBehindTheTile(_ activation: String) throws {
    var example = ConvolutionCase(images: 1, groups: 1, channels: 16, rows: 33)
    example.spatial = [9, 11]
    example.kernel = [3, 3]
    for pads in [[0, 0, 0, 0], [1, 1, 1, 1]] {
      example.pads = pads
      for stride in [1, 2] {
        example.strides = [stride, stride]
        var generator = Generator(seed: 7)
        let image = try generator.tensor(.float, example.imageShape)
        let weights = try generator.tensor(.float, example.weightShape)
        var reference = try example.convolution(image, weights)
        reference.values = reference.values.map {
          activation == "Sigmoid" ? 1 / (1 + Foundation.exp(-$0)) : $0 < 0 ? 0.01 * $0 : $0
        }
        try expect(
          try reference.blocked(fill: activation == "Sigmoid" ? 0.5 : 0), from: "BlockedConv",
          domain: "graft",
          attributes: example.attributes.merging(["activation": .string(activation)]) { $1 },
          inputs: [try image.blocked(), weights])
      }
    }
  }

  @Test func readsUnalignedWeights() throws {
    for stride in [1, 2] {
      var example = ConvolutionCase(images: 1, groups: 1, channels: 16, rows: 32)
      example.spatial = [12, 12]
      example.kernel = [3, 3]
      example.strides = [stride, stride]
      var generator = Generator(seed: 9)
      let image = try generator.tensor(.float, example.imageShape)
      let weights = try generator.tensor(.float, example.weightShape)
      let bias = try generator.tensor(.float, [32])
      var reference = try example.convolution(image, weights)
      reference.addBias(try bias.reals())
      try expect(
        try reference.blocked(), from: "BlockedConv", domain: "graft",
        attributes: example.attributes,
        inputs: [try image.blocked(), weights.misaligned(), bias.misaligned()])
    }
  }
}

extension ConvolutionCase {
  /// Cases for what the kernels treat apart: each of Winograd's tiles, with many tiles and with
  /// few, with many tiles of many channels, pointwise, strided.
  static var blocked: [ConvolutionCase] {
    func make(
      _ channels: Int, _ rows: Int, _ spatial: [Int], kernel: [Int] = [3, 3],
      strides: [Int] = [1, 1], pads: [Int] = [1, 1, 1, 1], images: Int = 1, groups: Int = 1
    ) -> ConvolutionCase {
      var result = ConvolutionCase(images: images, groups: groups, channels: channels, rows: rows)
      (result.spatial, result.kernel, result.strides) = (spatial, kernel, strides)
      result.pads = pads
      return result
    }
    return [
      make(16, 48, [30, 31]), make(64, 64, [14, 13], images: 2), make(32, 32, [70, 66]),
      make(128, 96, [9, 8]), make(256, 16, [28, 30], images: 4),
      make(5, 7, [40, 33], pads: [0, 2, 1, 0]),
      make(33, 40, [13, 9], kernel: [1, 1], pads: [0, 0, 0, 0], images: 2),
      make(16, 32, [15, 16], kernel: [1, 1], strides: [2, 2], pads: [0, 0, 0, 0]),
      make(3, 20, [32, 37], kernel: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3]),
      make(40, 16, [11, 10], kernel: [5, 5], pads: [2, 2, 2, 2]),
      make(16, 32, [9, 9], groups: 2), make(17, 11, [8, 9], groups: 3),
      make(34, 68, [7, 6], kernel: [1, 1], pads: [0, 0, 0, 0], images: 2, groups: 4),
      make(34, 34, [7, 9], kernel: [1, 1], pads: [0, 0, 0, 0], groups: 4),
      make(4, 4, [9, 8], groups: 32),
      make(6, 28, [8, 9], kernel: [1, 1], pads: [0, 0, 0, 0], groups: 4),
    ]
  }

  static func depthwise(count: Int, seed: UInt64) -> [ConvolutionCase] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in
      var result = ConvolutionCase(
        images: Int.random(in: 1...3, using: &generator),
        groups: Int.random(in: 2...40, using: &generator), channels: 1, rows: 1)
      result.pickGeometry(largestKernel: 5, largestPad: 3, using: &generator)
      return result
    }
  }

  static func randomBlocked(count: Int, seed: UInt64) -> [ConvolutionCase] {
    var generator = Generator(seed: seed)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    return (0..<count).map { _ in
      var result = ConvolutionCase(
        images: pick(1...2), groups: 1, channels: pick(1...40), rows: pick(1...70))
      if pick(0...1) == 0 {
        // Of those that the layout takes: groups of fewer rows, or of few and odd channels, stay as
        // they are.
        (result.groups, result.channels, result.rows) = (pick(2...6), pick(1...24), pick(4...24))
        if result.channels % 2 == 1 { result.channels += 7 }
      }
      result.pickGeometry(largestKernel: 4, largestPad: 2, using: &generator)
      return result
    }
  }

  private mutating func pickGeometry(
    largestKernel: Int, largestPad: Int, using generator: inout Generator
  ) {
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    kernel = pick(0...1) == 0 ? [3, 3] : [pick(1...largestKernel), pick(1...largestKernel)]
    strides = pick(0...1) == 0 ? [1, 1] : [pick(1...3), pick(1...3)]
    dilations = pick(0...2) > 0 ? [1, 1] : [pick(1...2), pick(1...2)]
    pads = (0..<4).map { _ in pick(0...largestPad) }
    let reach = zip(kernel, dilations).map { ($0 - 1) * $1 }
    spatial = reach.map { pick($0 + 1...20) }
  }
}

extension Tensor {
  /// [N, C, H, W] as [N, C / 16, H, W, 16].
  func blocked(fill: Float = 0) throws -> Tensor {
    let (channels, size) = (shape[1], shape[2] * shape[3])
    let blocks = blockCount(channels)
    let source = try elements(as: Float.self)
    var target = [Float](repeating: fill, count: shape[0] * blocks * size * channelBlock)
    for (index, value) in source.enumerated() {
      let (plane, position) = index.quotientAndRemainder(dividingBy: size)
      let (image, channel) = plane.quotientAndRemainder(dividingBy: channels)
      let (block, lane) = channel.quotientAndRemainder(dividingBy: channelBlock)
      target[((image * blocks + block) * size + position) * channelBlock + lane] = value
    }
    return try Tensor(target, shape: [shape[0], blocks, shape[2], shape[3], channelBlock])
  }
}

extension Reference {
  mutating func addBias(_ bias: [Double]) {
    let size = shape[2] * shape[3]
    for index in values.indices { add(bias[index / size % bias.count], at: index) }
  }

  /// The reference of [N, C, H, W] in blocks.
  func blocked(fill: Float = 0) throws -> Reference {
    let blockedValues = try Tensor(values.map(Float.init), shape: shape).blocked(fill: fill)
    var result = Reference(shape: blockedValues.shape)
    result.values = try blockedValues.reals()
    // Winograd's transforms round more than sums do: what cancels in them may be as large as the
    // largest sum, and the last outputs of a tile of 6 multiply it by up to 32.
    let largest = magnitudes.max() ?? 0
    result.magnitudes = [Double](repeating: 4 * largest, count: result.values.count)
    return result
  }

  fileprivate func pooledSquares() -> Reference {
    let (height, width) = (shape[2], shape[3])
    var result = Reference(shape: [shape[0], shape[1], height / 2, width / 2])
    for index in result.values.indices {
      let (rest, x) = index.quotientAndRemainder(dividingBy: width / 2)
      let (plane, y) = rest.quotientAndRemainder(dividingBy: height / 2)
      let corner = (plane * height + 2 * y) * width + 2 * x
      let square = [corner, corner + 1, corner + width, corner + width + 1]
      result.values[index] = square.map { values[$0] }.max() ?? 0
      result.magnitudes[index] = square.map { magnitudes[$0] }.max() ?? 0
    }
    return result
  }
}
