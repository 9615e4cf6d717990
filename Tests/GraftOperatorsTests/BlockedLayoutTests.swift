import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Operators of the blocked layout against the ones they replace.
///
/// NaN fills up the last block of all inputs, which must not reach any channel.
@Suite struct BlockedLayoutTests {
  static let sets = InstructionSet.available

  @Test(arguments: sets)
  func layoutsTurnIntoEachOther(_ set: InstructionSet) throws {
    var random = Generator(seed: 1)
    for round in 0..<60 {
      let extents = round % 6 == 0 ? 1...1 : (round % 10 == 1 ? 30...50 : 1...13)
      let image = BlockedTesting(set, &random, extents)
      let blocks = try image.blocked(image.tensor, fill: 0)
      let elements = try image.tensor.elements(as: Float.self)
      let positions = image.shape[2] * image.shape[3]
      for (index, element) in try blocks.elements(as: Float.self).enumerated() {
        let (rest, lane) = index.quotientAndRemainder(dividingBy: 16)
        let (plane, position) = rest.quotientAndRemainder(dividingBy: positions)
        let (item, block) = plane.quotientAndRemainder(dividingBy: blocks.shape[1])
        let channel = block * 16 + lane
        let place = (item * image.channels + channel) * positions + position
        #expect(element == (channel < image.channels ? elements[place] : 0))
      }
      try image.expect(blocks, equals: image.tensor)
    }
  }

  @Test(arguments: sets)
  func poolsHaveTheSameBits(_ set: InstructionSet) throws {
    var random = Generator(seed: 2)
    for round in 0..<150 {
      let image = BlockedTesting(set, &random, 8...30, hasNaN: round % 3 == 0)
      let kernel = random.pair(round % 2 == 0 ? 2...3 : 1...7)
      let pads = kernel.map { Int.random(in: 0..<$0, using: &random) }
      var attributes: [ByteString: Attribute] = [
        "kernel_shape": .ints(kernel), "strides": .ints(random.pair(1...3)),
        "ceil_mode": .int(Int.random(in: 0...1, using: &random)),
      ]
      switch round % 5 {
      case 0: attributes["auto_pad"] = .string("SAME_UPPER")
      case 1: attributes["auto_pad"] = .string("VALID")
      default: attributes["pads"] = .ints(pads + pads.reversed())
      }
      if kernel.allSatisfy({ $0 < 4 }) { attributes["dilations"] = .ints(random.pair(1...2)) }
      try image.expectSame("MaxPool", attributes)
      attributes["count_include_pad"] = .int(Int.random(in: 0...1, using: &random))
      try image.expectSame("AveragePool", attributes)
    }
  }

  @Test(arguments: sets)
  func windowsInThePaddingAgree(_ set: InstructionSet) throws {
    var random = Generator(seed: 3)
    let image = BlockedTesting(set, &random, 4...6)
    let attributes: [ByteString: Attribute] = [
      "kernel_shape": .ints([2, 2]), "pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2]),
    ]
    try image.expectSame("MaxPool", attributes)
    try image.expectSame("AveragePool", attributes)
  }

  @Test(arguments: sets)
  func globalAveragesAgree(_ set: InstructionSet) throws {
    var random = Generator(seed: 4)
    for round in 0..<40 {
      let image = BlockedTesting(set, &random, round % 4 == 0 ? 20...60 : 1...9)
      try image.expectSame("GlobalAveragePool", [:], tolerance: 1e-6)
    }
  }

  static let activations: [[ByteString: Attribute]] = [
    [:], ["activation": .string("Relu")],
    ["activation": .string("Clip"), "activation_params": .floats([-0.25, 0.5])],
    ["activation": .string("LeakyRelu"), "activation_params": .floats([0.1])],
    ["activation": .string("HardSwish")], ["activation": .string("Sigmoid")],
    ["activation": .string("Swish")], ["activation": .string("Tanh")],
  ]

  @Test(arguments: sets)
  func depthwiseConvolutionsHaveTheSameBits(_ set: InstructionSet) throws {
    var random = Generator(seed: 5)
    for round in 0..<160 {
      let image = BlockedTesting(set, &random, 7...34, hasNaN: round % 7 == 0)
      let channels = image.channels
      let kernel = round % 2 == 0 ? [3, 3] : random.pair(1...5)
      let pads = [0, 1].map { _ in Int.random(in: 0...3, using: &random) }
      var attributes = Self.activations[round % 8]
      attributes["group"] = .int(channels)
      attributes["strides"] = .ints(random.pair(1...(round % 3 + 1)))
      attributes["dilations"] = .ints(random.pair(1...(round % 4 == 1 ? 2 : 1)))
      attributes["pads"] = .ints(round % 2 == 0 ? [1, 1, 1, 1] : pads + pads.reversed())
      if round % 10 == 3 {
        attributes["auto_pad"] = .string("SAME_LOWER")
        attributes["pads"] = nil
      }
      let weights = try random.tensor([channels, 1] + kernel)
      let bias = round % 3 == 0 ? nil : try random.tensor([channels])
      let plain = try image.run(
        "Conv", attributes.filter { $0.key != "activation" && $0.key != "activation_params" },
        [image.tensor, weights, bias])
      let residual = round % 5 < 2 ? try random.tensor(plain.shape) : nil
      let expected = try image.run(
        "FusedConv", domain: "graft", attributes, [image.tensor, weights, bias, residual])
      let output = try image.run(
        "BlockedDepthwiseConv", domain: "graft", attributes,
        [
          image.blocked(image.tensor), weights, bias, residual.map { try image.blocked($0) },
        ], areConstant: round % 2 == 0)
      // The other operator computes a single channel in another order.
      try image.expect(
        output, equals: expected, tolerance: channels == 1 ? 1e-6 : nil,
        "\(image.shape) \(kernel) \(attributes)")
    }
  }

  @Test(arguments: sets)
  func affineMapsAgree(_ set: InstructionSet) throws {
    var random = Generator(seed: 6)
    for round in 0..<48 {
      let image = BlockedTesting(set, &random, 1...24, hasNaN: round % 5 == 0)
      let scale = try random.tensor([image.channels])
      let shift = try random.tensor([image.channels])
      let column = [image.channels, 1, 1]
      let product = try image.run("Mul", [:], [image.tensor, scale.reshaped(column)])
      let sum = try image.run("Add", [:], [product, shift.reshaped(column)])
      for (attributes, type) in [
        ([:], nil), (Self.activations[1], "Relu"), (["activation": .string("Sigmoid")], "Sigmoid"),
      ] as [([ByteString: Attribute], String?)] {
        let expected = try type.map { try image.run($0, [:], [sum]) } ?? sum
        let output = try image.run(
          "BlockedAffine", domain: "graft", attributes,
          [image.blocked(image.tensor), scale, shift], areConstant: round % 2 == 0)
        try image.expect(output, equals: expected, tolerance: 1e-6, "\(image.shape) \(attributes)")
      }
    }
  }

  @Test(arguments: sets)
  func responsesAgree(_ set: InstructionSet) throws {
    var random = Generator(seed: 7)
    for round in 0..<60 {
      let image = BlockedTesting(set, &random, 1...12, hasNaN: round % 7 == 0)
      let size = round % 6 == 0 ? Int.random(in: 1...200, using: &random) : round % 8 + 1
      var attributes: [ByteString: Attribute] = [
        "size": .int(round % 20 == 0 ? Int.max : size), "alpha": .float(2),
        "bias": .float(Float.random(in: 0.5...2, using: &random)),
        "beta": .float(round % 3 == 0 ? 0.6 : 0.75),
      ]
      let expected = try image.run("LRN", attributes, [image.tensor])
      attributes["channels"] = .int(image.channels)
      let output = try image.run(
        "BlockedLRN", domain: "graft", attributes, [image.blocked(image.tensor)])
      try image.expect(output, equals: expected, tolerance: 1e-6, "\(image.shape) \(attributes)")
    }
  }

  /// Small inputs count as constants; this many channels do not.
  @Test(arguments: sets)
  func computedParametersArePacked(_ set: InstructionSet) throws {
    var random = Generator(seed: 8)
    for channels in [1030, 1040] {
      let image = try BlockedTesting(set, random.tensor([2, channels, 3, 2]))
      let weights = try random.tensor([channels, 1, 3, 3])
      let vectors = try [random.tensor([channels]), random.tensor([channels])]
      let attributes: [ByteString: Attribute] = [
        "group": .int(channels), "pads": .ints([1, 1, 1, 1]),
      ]
      let expected = try image.run("Conv", attributes, [image.tensor, weights, vectors[0]])
      let blocked = try image.blocked(image.tensor)
      try image.expect(
        image.run(
          "BlockedDepthwiseConv", domain: "graft", attributes, [blocked, weights, vectors[0]]),
        equals: expected)
      let affine = try [false, true].map { areConstant in
        try image.run(
          "BlockedAffine", domain: "graft", [:], [blocked] + vectors, areConstant: areConstant)
      }
      try image.expect(
        affine[0],
        equals: image.run(
          "FromBlocked", domain: "graft", ["channels": .int(channels)], [affine[1]]))
    }
  }

  @Test func wrongInputsAreRefused() throws {
    func infer(
      _ type: String, _ attributes: [ByteString: Attribute], _ shape: [Dimension]?,
      _ elementType: ElementType = .float
    ) throws -> [Dimension]? {
      var context = InferenceContext(
        inputTypes: [.tensor(TensorType(elementType, shape))], inputContents: [nil],
        wantedOutputs: [true])
      let node = Node(
        operatorType: type, domain: "graft", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: attributes)
      try OperatorCatalog.make(node).inferTypes(&context)
      return context.outputTypes[0]?.tensor?.shape
    }
    let (batch, width) = (Dimension.symbol("N"), Dimension.symbol("W"))
    #expect(try infer("ToBlocked", [:], [batch, 33, 7, width]) == [batch, 3, 7, width, 16])
    #expect(
      try infer("FromBlocked", ["channels": .int(33)], [batch, 3, 7, width, 16])
        == [batch, 33, 7, width])
    let pool: [ByteString: Attribute] = ["kernel_shape": .ints([3, 3])]
    #expect(
      try infer("BlockedMaxPool", pool, [batch, 3, 7, width, 16]) == [batch, 3, 5, .unknown, 16])
    expectError(.badData, "channels") { try infer("ToBlocked", [:], [batch, .symbol("C"), 7, 7]) }
    expectError(.badData, "double") { try infer("ToBlocked", [:], [1, 3, 7, 7], .double) }
    expectError(.badData, "[1, 3, 7]") { try infer("ToBlocked", [:], [1, 3, 7]) }
    for channels in [32, 49, -1, Int.max] {
      expectError(.badData, "\(channels)") {
        try infer("FromBlocked", ["channels": .int(channels)], [batch, 3, 7, 7, 16])
      }
    }
    expectError(.badData, "[1, 3, 7, 7]") { try infer("BlockedMaxPool", pool, [1, 3, 7, 7]) }
    expectError(.badData, "[1, 3, 7, 7, 8]") { try infer("BlockedMaxPool", pool, [1, 3, 7, 7, 8]) }
    expectError(.badData, or: .unavailable, "kernel_shape") {
      try infer("BlockedAveragePool", ["kernel_shape": .ints([3])], [1, 3, 7, 7, 16])
    }
  }
}

/// A random image, and what compares operators on it.
struct BlockedTesting {
  let set: InstructionSet
  let shape: Shape
  let tensor: Tensor

  var channels: Int { shape[1] }

  init(
    _ set: InstructionSet, _ random: inout Generator, _ extents: ClosedRange<Int>,
    hasNaN: Bool = false
  ) {
    self.set = set
    shape =
      [Int.random(in: 1...2, using: &random), Int.random(in: 1...70, using: &random)]
      + random.pair(extents)
    var elements = random.floats(shape.elementCount)
    if hasNaN { elements[Int.random(in: elements.indices, using: &random)] = .nan }
    tensor = try! Tensor(elements, shape: shape)
  }

  init(_ set: InstructionSet, _ tensor: Tensor) {
    self.set = set
    self.tensor = tensor
    shape = tensor.shape
  }

  /// A tensor [N, C, H, W] in the blocked layout.
  func blocked(_ tensor: Tensor, fill: Float = .nan) throws -> Tensor {
    let blocked = try run("ToBlocked", domain: "graft", [:], [tensor])
    let positions = blocked.shape[2] * blocked.shape[3]
    var elements = try blocked.elements(as: Float.self)
    for index in elements.indices {
      let block = index / (16 * positions) % blocked.shape[1]
      if block * 16 + index % 16 >= tensor.shape[1] { elements[index] = fill }
    }
    return try Tensor(elements, shape: blocked.shape)
  }

  /// Expects `Blocked<type>` to compute what `type` does.
  ///
  /// - Parameters:
  ///   - others: further inputs of both
  ///   - tolerance: the largest difference allowed; bits must be equal without one
  func expectSame(_ type: String, _ attributes: [ByteString: Attribute], tolerance: Double? = nil)
    throws
  {
    let expected = try run(type, attributes, [tensor])
    let output = try run("Blocked\(type)", domain: "graft", attributes, [blocked(tensor)])
    try expect(output, equals: expected, tolerance: tolerance, "\(type) \(shape) \(attributes)")
  }

  /// Expects a tensor in the blocked layout to hold `expected`, [N, C, H, W].
  func expect(
    _ blocked: Tensor, equals expected: Tensor, tolerance: Double? = nil, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let output = try run(
      "FromBlocked", domain: "graft", ["channels": .int(expected.shape[1])], [blocked])
    #expect(output.shape == expected.shape, "\(comment)", sourceLocation: sourceLocation)
    if let tolerance {
      let difference = try largestDifference(output, expected)
      #expect(difference <= tolerance, "\(comment) \(set)", sourceLocation: sourceLocation)
      return
    }
    let bits = try [output, expected].map { try $0.elements(as: Float.self).map(\.bitPattern) }
    #expect(bits[0] == bits[1], "\(comment) \(set)", sourceLocation: sourceLocation)
  }

  /// The output of a node, on one thread and on three.
  func run(
    _ type: String, domain: String = "", _ attributes: [ByteString: Attribute], _ inputs: [Tensor?],
    areConstant: Bool = false
  ) throws -> Tensor {
    let node = Node(
      operatorType: type, domain: domain,
      inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try [1, 3].map { threads in
      let output = try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
        wantedOutputs: [true], instructionSet: set, treatInputsAsConstant: areConstant,
        threads: threads)[0]
      return try #require(output).tensor
    }
    let areSame = outputs[0].withUnsafeBytes { first in
      outputs[1].withUnsafeBytes { first.elementsEqual($0) }
    }
    #expect(areSame, "\(type) \(inputs.map { $0?.shape }) depends on the number of threads")
    return outputs[0]
  }
}

extension Generator {
  mutating func tensor(_ shape: Shape) throws -> Tensor {
    try Tensor(floats(shape.elementCount), shape: shape)
  }

  mutating func pair(_ range: ClosedRange<Int>) -> [Int] {
    [Int.random(in: range, using: &self), Int.random(in: range, using: &self)]
  }
}
