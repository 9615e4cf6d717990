import Foundation
import GraftTensor
import GraftTraining
import GraftVision
import Testing

/// Operations on images beside torchvision and Pillow; `Tests/Fixtures/augmentation_fixtures.py`
/// says what the arrays are.
@Suite struct ImageOperationTests {
  private func image(_ name: String) throws -> Image {
    let tensor = try Fixtures.augmentations.tensor(name)
    return try Image(
      width: tensor.shape[1], height: tensor.shape[0], channelCount: tensor.shape[2],
      samples: tensor.elements(as: UInt8.self))
  }

  /// Bit by bit.
  private func expectEqual(
    _ name: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ make: (_ source: Image, _ argument: String) throws -> Image
  ) throws {
    let parts = name.split(separator: "|").map(String.init)
    let result = try make(image("image.\(parts[2])"), parts[1])
    let expected = try image(name)
    #expect(result.size == expected.size && result.channelCount == expected.channelCount)
    let wrong = zip(result.samples, expected.samples).count { $0 != $1 }
    #expect(wrong == 0, "\(name): \(wrong) samples differ", sourceLocation: sourceLocation)
  }

  @Test(arguments: ImageOperation.allCases)
  func changesAsTorchvision(_ operation: ImageOperation) throws {
    let names = Fixtures.augmentations.names.filter { $0.hasPrefix("\(operation.rawValue)|") }
    #expect(names.count >= 5)
    for name in names {
      try expectEqual(name) { try operation.apply(to: $0, magnitude: #require(Double($1))) }
    }
  }

  @Test func transformsBilinearlyAsPillow() throws {
    let names = Fixtures.augmentations.names
    let rotations = names.filter { $0.hasPrefix("rotate|") }
    let zooms = names.filter { $0.hasPrefix("zoom|") }
    #expect(rotations.count == 15 && zooms.count == 10)
    for name in rotations {
      try expectEqual(name) { source, degrees in
        try source.transformed(
          by: .rotation(degrees: #require(Double(degrees)), size: source.size), .bilinear)
      }
    }
    for name in zooms {
      try expectEqual(name) { source, scale in
        try source.transformed(
          by: .scaling(by: #require(Double(scale)), size: source.size), .bilinear)
      }
    }
  }

  @Test func flipsAndPadsAsTorchvision() throws {
    let names = Fixtures.augmentations.names
    let flips = names.filter { $0.hasPrefix("flip|") }
    let pads = names.filter { $0.hasPrefix("pad|") }
    #expect(flips.count == 10 && pads.count == 20)
    for name in flips {
      try expectEqual(name) {
        try $0.oriented($1 == "horizontal" ? .flipHorizontally : .flipVertically)
      }
    }
    for name in pads {
      try expectEqual(name) { source, text in
        let fields = text.split(separator: ",")
        let numbers = fields.dropFirst().compactMap { Int($0) }
        return try source.cropped(
          left: numbers[1] - numbers[0], top: numbers[2] - numbers[0], size: source.size,
          border: fields[0] == "reflect" ? .reflect : .zero)
      }
    }
  }

  @Test func mixesImages() throws {
    let first = try image("image.square")
    let second = try first.oriented(.flipVertically)
    for share in [0, 0.31, 1] {
      let expected = try image("mixup|\(share == 0.31 ? "0.31" : "\(share)")|square")
      #expect(try first.mixed(with: second, share: share).samples == expected.samples)
    }
    let patched = try first.replacing(columns: 3..<7, rows: 0..<20, from: second).samples
    for (index, sample) in patched.enumerated() {
      let column = index / 3 % 20
      #expect(sample == ((3..<7).contains(column) ? second : first).samples[index])
    }
  }

  /// Table 7 of the paper, as torchvision has it.
  @Test func policyIsTorchvisions() throws {
    let data = try Data(Fixtures.augmentations.tensor("policy").elements(as: UInt8.self))
    let policies = try #require(JSONSerialization.jsonObject(with: data) as? [[[Any]]])
    #expect(policies.count == 25)
    #expect(AutoAugmentation.policies.count == policies.count)
    for (own, expected) in zip(AutoAugmentation.policies, policies) {
      #expect(own.count == expected.count)
      for (step, values) in zip(own, expected) {
        #expect(step.operation.rawValue == values[0] as? String)
        #expect(step.probability == values[1] as? Double)
        #expect(step.level == values[2] as? Int ?? 0)
      }
    }
  }

  @Test(arguments: ["auto", "rand"])
  func magnitudesAreTorchvisions(_ name: String) throws {
    let data = try Data(Fixtures.augmentations.tensor("space.\(name)").elements(as: UInt8.self))
    let space = try #require(JSONSerialization.jsonObject(with: data) as? [String: [Any]])
    let operations = name == "auto" ? ImageOperation.allCases : RandAugmentation.operations
    #expect(
      Set(space.keys)
        == Set(operations.map(\.rawValue)).subtracting(name == "auto" ? ["Identity"] : []))
    let levelCount = name == "auto" ? AutoAugmentation.levelCount : RandAugmentation.levelCount
    for (key, values) in space {
      let operation = try #require(ImageOperation(rawValue: key))
      let magnitudes = try #require(values[0] as? [Double])
      #expect(operation.isSigned == values[1] as? Bool)
      for (level, expected) in magnitudes.enumerated() {
        let magnitude = operation.magnitude(
          level: level, levelCount: levelCount, size: ImageSize(width: 26, height: 32))
        #expect(abs(magnitude - expected) < 1e-4, "\(key) at \(level)")
      }
    }
  }
}
