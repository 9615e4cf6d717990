import Foundation
import Graft
import GraftData
import GraftFiles
import GraftTraining
import GraftVision
import TestSupport
import Testing

/// Training on images that are changed at random.
extension FineTuningTests {
  /// What random changes do follows from seed, phase, epoch and image: not from threads, what is
  /// kept, or interruptions.
  @Test func augmentedRunsGiveTheSameBits() throws {
    var recipe = recipe()
    recipe.augment = "flip,crop(2,reflect),cutout(4)"
    let whole = try run("augmented", recipe).run
    let expected = try bytes(whole)
    #expect(try bytes(run("plain", self.recipe()).run) != expected)
    #expect(try bytes(run("augmented-kept", recipe, keepsFeatures: false).run) == expected)
    #expect(try bytes(run("augmented-thread", recipe, threads: 1).run) == expected)
    for stop in [2, 4, 9, 13, 15] {
      let name = "augmented-\(stop)"
      #expect(try run(name, recipe, stopAfter: stop).isDone == false)
      let (resumed, isDone) = try run(name, recipe, resumes: true)
      #expect(isDone)
      #expect(try bytes(resumed) == expected, "stopped after \(stop) steps")
    }
  }

  /// Mixed images have mixed targets, for several classes and for two, whatever the threads and
  /// interruptions.
  @Test(arguments: [3, 2])
  func mixedRunsGiveTheSameBits(classCount: Int) throws {
    var recipe = recipe()
    recipe.augment = "mixup(0.4),cutmix,flip"
    let data = try FineTuningTests.stripes(count: 60, classCount: classCount, folder: folder)
    let whole = try run("mixed", recipe, data: data).run
    let expected = try bytes(whole)
    #expect(whole.fineTuner.state.history.allSatisfy { $0.loss.isFinite && $0.loss > 0 })
    #expect(try bytes(run("mixed-thread", recipe, data: data, threads: 1).run) == expected)
    #expect(try run("mixed-7", recipe, data: data, stopAfter: 7).isDone == false)
    #expect(try bytes(run("mixed-7", recipe, data: data, resumes: true).run) == expected)
    recipe.loss = "hinge"
    #expect {
      try run("mixed-hinge", recipe, data: data)
    } throws: { error in
      "\(error)".contains("hinge")
    }
  }

  /// Targets of images that are mixed half and half cannot be met: the loss stays above that of the
  /// best answer.
  @Test func mixedTargetsAreSoft() throws {
    var recipe = recipe()
    recipe.head = "gap,dense(classes)"
    recipe.phases = [Recipe.Phase(unfreeze: "all", epochs: 40, learningRate: 0.01)]
    let plain = try run("sharp", recipe).run.fineTuner.state.history.last!
    recipe.augment = "mixup(100)"
    let mixed = try run("soft", recipe).run.fineTuner.state.history.last!
    // Beta(100, 100) is about a half: two of three pairs are of different classes, whose entropy is
    // log 2.
    #expect(plain.loss < 0.3)
    #expect(mixed.loss > 0.9 * 2 / 3 * 0.69)
    #expect(mixed.validationAccuracy! > 0.6)
  }

  /// Variants that take turns are the same bits whether their features are kept or computed again.
  @Test func cachedVariantsGiveTheSameBits() throws {
    var recipe = recipe()
    recipe.augment = "flip,crop(2)"
    let fresh = try bytes(run("fresh", recipe).run)
    // Four epochs with a frozen part, then two.
    recipe.cachedAugmentations = 4
    #expect(try bytes(run("cached-4", recipe).run) == fresh)
    recipe.cachedAugmentations = 2
    let counter = SummaryCounter()
    let expected = try bytes(run("cached-2", recipe, observers: [counter]).run)
    #expect(counter.kept == [true, true])
    #expect(counter.variants == [2, 2])
    #expect(expected != fresh)
    #expect(try bytes(run("computed-2", recipe, keepsFeatures: false).run) == expected)
    #expect(try run("stopped-2", recipe, stopAfter: 8).isDone == false)
    #expect(try bytes(run("stopped-2", recipe, resumes: true).run) == expected)
    // With nothing frozen there is nothing to keep, and each epoch has variants of its own.
    recipe.phases = [Recipe.Phase(unfreeze: "all", epochs: 3, learningRate: 0.005)]
    let all = try bytes(run("all-cached", recipe).run)
    recipe.cachedAugmentations = nil
    #expect(try bytes(run("all", recipe).run) == all)
  }

  private final class SummaryCounter: TrainingObserver {
    var kept: [Bool] = []
    var variants: [Int?] = []
    func phaseStarted(_ phase: PhaseSummary) {
      kept.append(phase.keepsFeatures)
      variants.append(phase.variantCount)
    }
  }

  /// The sheet shows images of all classes, as they are and as training sees them.
  @Test func previewShowsWhatTrainingSees() throws {
    var recipe = recipe()
    var preprocessing = Preprocessing(.unit)
    preprocessing.resize = .exact(ImageSize(width: 16, height: 16))
    expectError(.usage, "--augment") {
      try AugmentationSheet(recipe, training: dataset.items, preprocessing: preprocessing)
    }
    recipe.augment = "flip"
    let path = "\(folder)/sheet.png"
    try AugmentationSheet(recipe, training: dataset.items, preprocessing: preprocessing).image()
      .writePNG(to: path)
    let sheet = try Image.read(path)
    // Eight images each way, enlarged six times, with gaps of four pixels.
    #expect(sheet.size == ImageSize(width: 8 * 100 + 4, height: 8 * 100 + 4))
    func cell(_ row: Int, _ column: Int) throws -> [UInt8] {
      try sheet.cropped(
        left: 4 + column * 100, top: 4 + row * 100, size: ImageSize(width: 96, height: 96),
        border: .zero
      ).resized(to: ImageSize(width: 16, height: 16), .nearest).samples
    }
    var flippedCount = 0
    for row in 0..<8 {
      // Three classes take turns.
      let image = try dataset.items[row].image()
      #expect(try cell(row, 0) == image.samples)
      let flipped = try image.oriented(.flipHorizontally).samples
      for column in 1..<8 {
        let samples = try cell(row, column)
        #expect(samples == image.samples || samples == flipped)
        flippedCount += samples == flipped ? 1 : 0
      }
    }
    #expect((14...42).contains(flippedCount))
    expectError(.cannotCreate, "\(folder)/missing/sheet.png") {
      try Image.read(path).writePNG(to: "\(folder)/missing/sheet.png")
    }
  }
}
