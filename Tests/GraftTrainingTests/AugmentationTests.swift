import GraftData
import GraftFiles
import GraftTensor
import GraftTraining
import GraftVision
import TestSupport
import Testing

/// What random changes do, how often, and what they follow from.
@Suite struct AugmentationTests {
  private static let calls = [
    "flip", "flip(vertical)", "crop(4)", "crop(4,reflect)", "shift(0.2)", "rotate(20)", "zoom(0.3)",
    "brightness(0.4)", "contrast(0.4)", "saturation(0.4)", "cutout(6)", "autoaugment",
    "randaugment", "randaugment(3,20)",
  ]

  /// An image whose samples tell where they were: red counts columns, green counts rows, both from
  /// 1.
  private static func positions(width: Int = 16, height: Int = 16) throws -> Image {
    var samples: [UInt8] = []
    for row in 0..<height {
      for column in 0..<width {
        let blue = (row * width + column) * 7 % 251
        samples += [UInt8(column + 1), UInt8(row + 1), UInt8(blue)]
      }
    }
    return try Image(width: width, height: height, channelCount: 3, samples: samples)
  }

  private static func flat(_ level: UInt8, side: Int = 16) throws -> Image {
    try Image(
      width: side, height: side, channelCount: 3,
      samples: Array(repeating: level, count: side * side * 3))
  }

  /// How many of `count` seeds `happens` is true for, as a share.
  private func share(of count: Int, _ happens: (UInt64) throws -> Bool) rethrows -> Double {
    Double(try (0..<UInt64(count)).count { try happens($0) }) / Double(count)
  }

  @Test(arguments: calls)
  func followsFromTheSeed(_ call: String) throws {
    let pipeline = try AugmentationPipeline(call)
    let image = try AugmentationTests.positions(width: 20, height: 15)
    var results: Set<[UInt8]> = []
    for seed in 0..<40 as Range<UInt64> {
      let result = try pipeline.apply(to: image, seed: seed)
      #expect(result.size == image.size && result.channelCount == 3)
      #expect(try pipeline.apply(to: image, seed: seed).samples == result.samples)
      results.insert(result.samples)
    }
    #expect(results.count >= 2)
    #expect(results.count > 10 || call.hasPrefix("flip"))
    let grey = try image.greyscale()
    for seed in 0..<40 as Range<UInt64> {
      #expect(try pipeline.apply(to: grey, seed: seed).channelCount == 1)
    }
  }

  @Test func flipsHalfOfTheImages() throws {
    let image = try AugmentationTests.positions()
    for (call, mirrored) in [
      ("flip", Orientation.flipHorizontally), ("flip(vertical)", .flipVertically),
    ] {
      let pipeline = try AugmentationPipeline(call)
      let flipped = try image.oriented(mirrored).samples
      let share = try share(of: 4000) { seed in
        let samples = try pipeline.apply(to: image, seed: seed).samples
        #expect(samples == flipped || samples == image.samples)
        return samples == flipped
      }
      #expect(abs(share - 0.5) < 0.04)
    }
  }

  /// All 81 places of crop(4), each about as often.
  @Test func cropsAnywhere() throws {
    let image = try AugmentationTests.positions()
    let pipeline = try AugmentationPipeline("crop(4)")
    var counts: [[UInt8]: Int] = [:]
    for seed in 0..<8100 as Range<UInt64> {
      let samples = try pipeline.apply(to: image, seed: seed).samples
      let middle = (8 * 16 + 8) * 3
      counts[Array(samples[middle..<middle + 2]), default: 0] += 1
      // Pixels outside are black.
      let black = samples.indices.count { $0 % 3 == 0 && samples[$0] == 0 }
      let (column, row) = (Int(samples[middle]) - 9, Int(samples[middle + 1]) - 9)
      #expect(abs(column) <= 4 && abs(row) <= 4)
      #expect(black == 256 - (16 - abs(column)) * (16 - abs(row)))
    }
    #expect(counts.count == 81)
    #expect(counts.values.allSatisfy { (50...150).contains($0) })
  }

  @Test func reflectedBordersAreNotBlack() throws {
    let image = try AugmentationTests.positions()
    let pipeline = try AugmentationPipeline("crop(6,reflect)")
    for seed in 0..<50 as Range<UInt64> {
      let samples = try pipeline.apply(to: image, seed: seed).samples
      #expect(samples.indices.allSatisfy { $0 % 3 == 2 || samples[$0] > 0 })
    }
  }

  /// A square of 6 by 6 around each pixel with the same probability: 4 of 16 middles are so near an
  /// edge that a row is lost.
  @Test func cutsOutSquares() throws {
    let image = try AugmentationTests.flat(7)
    let pipeline = try AugmentationPipeline("cutout(6)")
    var total = 0
    for seed in 0..<2000 as Range<UInt64> {
      let samples = try pipeline.apply(to: image, seed: seed).samples
      #expect(samples.allSatisfy { $0 == 7 || $0 == 128 })
      let count = samples.count { $0 == 128 } / 3
      #expect((9...36).contains(count))
      total += count
    }
    // Middle m covers m - 3 ..< m + 3 of 0 ..< 16: (3 + 4 + 5 + 6 * 11 + 5 + 4) / 16 = 5.4375 on
    // average.
    #expect(abs(Double(total) / 2000 - 5.4375 * 5.4375) < 0.6)
  }

  @Test func factorsLieAroundOne() throws {
    let image = try AugmentationTests.flat(100)
    let pipeline = try AugmentationPipeline("brightness(0.2)")
    let levels = try (0..<2000 as Range<UInt64>).map { seed in
      Int(try pipeline.apply(to: image, seed: seed).samples[0])
    }
    #expect(levels.min() == 80 && levels.max() == 119)
    #expect(abs(Double(levels.reduce(0, +)) / 2000 - 99.5) < 1)
    // One colour has no contrast to change, and grey no saturation.
    for call in ["contrast(0.9)", "saturation(0.9)"] {
      #expect(
        try AugmentationPipeline(call).apply(to: image, seed: 3).samples == image.samples)
    }
  }

  @Test func shiftsByWholePixels() throws {
    let image = try AugmentationTests.positions()
    let pipeline = try AugmentationPipeline("shift(0.25)")
    var offsets: Set<Int> = []
    for seed in 0..<500 as Range<UInt64> {
      let red = Int(try pipeline.apply(to: image, seed: seed).samples[(8 * 16 + 8) * 3])
      offsets.insert(red - 9)
    }
    #expect(offsets == Set(-4...4))
  }

  @Test(arguments: [0.2, 1, 5])
  func mixesByBetaShares(_ alpha: Double) throws {
    let pipeline = try AugmentationPipeline("mixup(\(alpha))")
    #expect(pipeline.mixesTargets)
    let size = ImageSize(width: 16, height: 16)
    let mixtures = (0..<6000).map { number in
      pipeline.mixture(
        ofImage: number, among: 10, size: size,
        in: AugmentationRound(seed: 1, phase: 0, epoch: 0))!
    }
    let shares = mixtures.map(\.share)
    #expect(shares.allSatisfy { (0...1).contains($0) })
    let mean = shares.reduce(0, +) / 6000
    let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 6000
    #expect(abs(mean - 0.5) < 0.03)
    // The variance of Beta(alpha, alpha).
    #expect(abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.01)
    for partner in 0..<10 {
      #expect(abs(Double(mixtures.count { $0.partner == partner }) / 6000 - 0.1) < 0.02)
    }
  }

  /// The target's share is that of the pixels.
  @Test func cutMixCountsPixels() throws {
    let pipeline = try AugmentationPipeline("cutmix")
    let (black, white) = try (AugmentationTests.flat(0), AugmentationTests.flat(255))
    var sum = 0.0
    for number in 0..<1000 {
      let mixture = try #require(
        pipeline.mixture(
          ofImage: number, among: 5, size: black.size,
          in: AugmentationRound(seed: 1, phase: 0, epoch: 0)))
      guard case .patch(let columns, let rows) = mixture.kind else {
        Issue.record("no patch")
        return
      }
      let mixed = try black.replacing(columns: columns, rows: rows, from: white)
      let own = Double(mixed.samples.count { $0 == 0 }) / Double(mixed.sampleCount)
      #expect(abs(own - mixture.share) < 1e-12)
      sum += own
    }
    // Half of the area on average, if nothing of rectangles lay outside.
    #expect((0.55...0.75).contains(sum / 1000))
  }

  @Test func severalMixturesTakeTurns() throws {
    let pipeline = try AugmentationPipeline("mixup(0.5),flip,cutmix")
    let round = AugmentationRound(seed: 1, phase: 0, epoch: 0)
    let size = ImageSize(width: 16, height: 16)
    let share = share(of: 2000) { number in
      pipeline.mixture(ofImage: Int(number), among: 9, size: size, in: round)?.kind == .blend
    }
    #expect(abs(share - 0.5) < 0.05)
    #expect(
      try AugmentationPipeline("flip").mixture(ofImage: 0, among: 9, size: size, in: round)
        == nil)
  }

  @Test func mixedTargetsHavePartsOfBothClasses() throws {
    let labels = [
      MixedLabel(own: 2, partner: 0, share: 0.75), MixedLabel(own: 1, partner: 1, share: 0.25),
      MixedLabel(own: 0, partner: 1, share: 0.25),
    ]
    #expect(labels.map(\.larger) == [2, 1, 1])
    let targets = try ClassificationTargets(classCount: 3, isBinary: false).tensor(mixed: labels)
    #expect(targets.shape == [3, 3])
    #expect(try targets.elements(as: Float.self) == [0.25, 0, 0.75, 0, 1, 0, 0.25, 0.75, 0])
    let binary = try ClassificationTargets(classCount: 1, isBinary: true)
      .tensor(mixed: Array(labels[1...]))
    #expect(binary.shape == [2, 1])
    #expect(try binary.elements(as: Float.self) == [1, 0.75])
    #expect(
      SoftmaxCrossEntropy(labelSmoothing: 0.1).forMixedTargets() is CategoricalCrossEntropy)
    for name in ["hinge", "squared_hinge", "perceptron"] {
      expectError(.usage, name) { try Losses.named(name).forMixedTargets() }
    }
  }

  @Test func roundsDiffer() {
    let rounds = (0..<3).flatMap { phase in
      (0..<5).map { AugmentationRound(seed: 1, phase: phase, epoch: $0).seed }
    }
    #expect(Set(rounds).count == 15)
    #expect(!rounds.contains(AugmentationRound(seed: 2, phase: 0, epoch: 0).seed))
    let variants = (0..<5).map {
      AugmentationRound(seed: 1, phase: 0, epoch: $0, variantCount: 2)
    }
    #expect(variants.map(\.variant) == [0, 1, 0, 1, 0])
    #expect(variants.map(\.seed) == [0, 1, 0, 1, 0].map { rounds[$0] })
  }

  @Test(
    arguments: [
      ("crop(-1)", "crop(PIXELS)"), ("crop", "requires a number"), ("crop(1.5)", "whole"),
      ("crop(4,mirror)", "mirror"),
      ("f l i p", "white space inside 'f l i p'"), ("crop(1 0)", "white space inside '1 0'"),
      ("crop(4,reflect,reflect)", "'reflect' is given twice"), ("crop(99999)", "from 1 to 4096"),
      ("crop(nan)", "nan"),
      ("flip(diagonal)", "flip(vertical)"), ("cutuot(8)", "'cutout'"), ("flip,,crop(4)", "''"),
      ("flip,crop(4", "does not end with ')'"), ("shift(2)", "shift(SHARE)"),
      ("rotate(400)", "180"),
      ("zoom(1)", "zoom(SHARE)"), ("brightness(-1)", "brightness(SHARE)"),
      ("mixup(0)", "mixup"), ("cutmix(1,2)", "'2'"),
      ("randaugment(2,31)", "MAGNITUDE as a whole number from 0 to 30"),
      ("autoaugment(3)", "Use autoaugment"), ("none,flip", "none"), ("", "''"),
      (Array(repeating: "flip", count: 65).joined(separator: ","), "64"),
    ])
  func mistakesAreNamed(_ text: String, part: String) {
    #expect {
      try AugmentationPipeline(text)
    } throws: { error in
      "\(error)".contains(part) && error is GraftError
    }
  }

  @Test func noneIsNothing() throws {
    #expect(try AugmentationPipeline("none").isEmpty)
    #expect(try Recipe(yaml: "augment: none").augmentation == nil)
    #expect(try Recipe(yaml: "augment: flip, crop(4)").augmentation != nil)
    expectError(.badData, "flop") { try Recipe(yaml: "augment: flop") }
    for text in [
      "cached_augmentations: 3", "augment: flip\ncached_augmentations: 0",
      "augment: flip,mixup\ncached_augmentations: 3",
    ] {
      expectError(.badData, "cached") { try Recipe(yaml: text) }
    }
    #expect(try Recipe(yaml: "augment: flip\ncached_augmentations: 3").cachedAugmentations == 3)
  }

  /// Whatever the text is, it is an error, or a change of images.
  @Test func anyTextIsReadOrRefused() throws {
    var generator = SeededGenerator(seed: 11)
    let parts =
      AugmentationTests.calls + AugmentationPipeline.names + [
        "(", ")", ",", "=", "-", "1e308", "nan", "0x1p3", "4", "0.5", "reflect", "vertical", "é",
        " ",
        "\u{0}", "none", "🙂", "1e-320",
      ]
    let image = try AugmentationTests.positions(width: 3, height: 5)
    var readCount = 0
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<Int(generator.next() % 6) {
        text += parts[Int(generator.next() % UInt64(parts.count))]
      }
      do {
        let pipeline = try AugmentationPipeline(text)
        readCount += 1
        _ = try pipeline.apply(to: image, seed: generator.next())
        _ = pipeline.mixture(
          ofImage: 0, among: 1, size: image.size,
          in: AugmentationRound(seed: generator.next(), phase: 0, epoch: 0))
      } catch {
        #expect(error is GraftError, "\(text)")
      }
    }
    #expect((500...10_000).contains(readCount))
  }
}
