import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Normalization by batches in the blocked layout of every instruction set, against that of
/// ordinary tensors in double.
@Suite struct BlockedNormalizationTests {
  /// Some with a mean far from 0, where squares of elements would lose the variance.
  private struct Case {
    let image: BlockedTesting
    let scale: Tensor
    let bias: Tensor
    let mean: Tensor
    let variance: Tensor
    let gradient: Tensor

    init(_ set: InstructionSet, _ random: inout Generator, round: Int) throws {
      let shape =
        [Int.random(in: 1...(round % 5 == 0 ? 40 : 6), using: &random)]
        + [Int.random(in: 1...40, using: &random)] + random.pair(round % 4 == 0 ? 1...30 : 1...7)
      let offset: Float = round % 3 == 0 ? 100 : 0.5
      image = BlockedTesting(
        set, try Tensor(random.floats(shape.elementCount).map { $0 + offset }, shape: shape))
      let channels = [shape[1]]
      scale = try random.tensor(channels)
      bias = try random.tensor(channels)
      mean = try random.tensor(channels)
      variance = try random.tensor(channels)
      gradient = try random.tensor(shape)
    }
  }

  @Test(arguments: BlockedLayoutTests.sets)
  func normalizesAsItDoesPlanarly(_ set: InstructionSet) throws {
    var random = Generator(seed: 31)
    for round in 0..<40 {
      let example = try Case(set, &random, round: round)
      let inputs = [example.scale, example.bias, example.mean, example.variance]
      let attributes: [ByteString: Attribute] = ["epsilon": .float(1e-3), "momentum": .float(0.8)]
      let expected = try outputs(
        set, "BatchNormalization", domain: "",
        attributes.merging(["training_mode": .int(1)]) { $1 },
        ([example.image.tensor] + inputs).map { try $0.doubles() })
      let found = try outputs(
        set, "BlockedBatchNormalization", domain: "graft", attributes,
        [example.image.blocked(example.image.tensor)] + inputs)
      try example.image.expect(
        found[0], equals: expected[0].floats(), tolerance: 2e-3, "\(example.image.shape)")
      for index in 1...2 { try expectClose(found[index], expected[index]) }
      let activated = try outputs(
        set, "BlockedBatchNormalization", domain: "graft",
        attributes.merging(["activation": .string("Relu")]) { $1 },
        [example.image.blocked(example.image.tensor)] + inputs)
      let relu = try example.image.run("Relu", [:], [found[0]])
      try example.image.expect(
        activated[0],
        equals: example.image.run(
          "FromBlocked", domain: "graft", ["channels": .int(example.image.channels)], [relu]))
    }
  }

  @Test(arguments: BlockedLayoutTests.sets)
  func gradientsAreThePlanarOnes(_ set: InstructionSet) throws {
    var random = Generator(seed: 32)
    for round in 0..<40 {
      let example = try Case(set, &random, round: round)
      let attributes: [ByteString: Attribute] = ["epsilon": .float(1e-3)]
      let expected = try outputs(
        set, "BatchNormalizationGradient", domain: "graft", attributes,
        [example.gradient, example.image.tensor, example.scale].map { try $0.doubles() })
      let image = try example.image.blocked(example.image.tensor)
      let gradient = try example.image.blocked(example.gradient)
      let found = try outputs(
        set, "BlockedBatchNormalizationGradient", domain: "graft", attributes,
        [gradient, image, example.scale])
      try example.image.expect(
        found[0], equals: expected[0].floats(), tolerance: 2e-3, "\(example.image.shape)")
      for index in 1...2 { try expectClose(found[index], expected[index]) }
    }
  }

  /// Without positions there is nothing to read, not even an origin.
  @Test(arguments: BlockedLayoutTests.sets)
  func emptyImagesAreNotRead(_ set: InstructionSet) throws {
    let empty = try Tensor(zeros: .float, shape: [2, 1, 0, 3, 16])
    let channels = try Tensor([Float](repeating: 1, count: 5), shape: [5])
    let normalized = try outputs(
      set, "BlockedBatchNormalization", domain: "graft", [:],
      [empty, channels, channels, channels, channels])
    let gradients = try outputs(
      set, "BlockedBatchNormalizationGradient", domain: "graft", [:], [empty, empty, channels])
    #expect(normalized[0].shape == empty.shape && gradients[0].shape == empty.shape)
    #expect(try gradients[2].elements(as: Float.self).allSatisfy { $0 == 0 })
  }

  private func expectClose(_ found: Tensor, _ expected: Tensor) throws {
    let pairs = zip(try found.elements(as: Float.self), try expected.elements(as: Double.self))
    for (found, expected) in pairs {
      #expect(abs(Double(found) - expected) <= 1e-4 * max(1, abs(expected)))
    }
  }

  /// The outputs of a node, whose bits must not depend on the number of threads.
  private func outputs(
    _ set: InstructionSet, _ type: String, domain: String, _ attributes: [ByteString: Attribute],
    _ inputs: [Tensor]
  ) throws -> [Tensor] {
    let node = Node(
      operatorType: type, domain: domain, inputs: inputs.indices.map { ValueID($0) },
      outputs: (0..<3).map { ValueID(inputs.count + $0) }, attributes: attributes)
    let found = try [1, 3].map { threads in
      try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { .tensor($0) },
        wantedOutputs: [true, true, true], instructionSet: set, threads: threads
      ).map { try #require($0).tensor }
    }
    for (one, three) in zip(found[0], found[1]) {
      let areSame = one.withUnsafeBytes { first in
        three.withUnsafeBytes { first.elementsEqual($0) }
      }
      #expect(areSame, "\(type) depends on the number of threads")
    }
    return found[0]
  }
}

extension Tensor {
  fileprivate func doubles() throws -> Tensor {
    try Tensor(elements(as: Float.self).map(Double.init), shape: shape)
  }

  fileprivate func floats() throws -> Tensor {
    try Tensor(elements(as: Double.self).map(Float.init), shape: shape)
  }
}
