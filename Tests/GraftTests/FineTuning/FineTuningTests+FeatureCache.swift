import Foundation
import Graft
import GraftData
import GraftGraph
import GraftONNX
import GraftTensor
import GraftTraining
import Testing

/// Features that runs leave to later ones.
extension FineTuningTests {
  /// Counts what goes through the frozen part: all that is not found.
  private final class Phases: TrainingObserver {
    var features: [(count: Int, archivedCount: Int)] = []
    var archived: [Int] { features.map(\.archivedCount) }
    func phaseStarted(_ phase: PhaseSummary) { features.append(phase.features) }
  }

  private func cache(_ name: String = "home", byteLimit: Int = 1 << 30) -> ModelCache {
    ModelCache(root: "\(folder)/\(name)", byteLimit: byteLimit)
  }

  private func run(
    _ name: String, _ recipe: Recipe, cache: ModelCache, data: DatasetSplit? = nil
  ) throws -> (bytes: Data, phases: [Int]) {
    var options = FineTuningRun.Options()
    options.featureCache = FeatureCache(cache)
    let phases = Phases()
    let split = try data ?? dataset.split(SplitShares(recipe.split), seed: recipe.seed)
    let run = try FineTuningRun(
      recipe, data: split, folder: "\(folder)/\(name)", observers: [phases], options: options)
    #expect(try run.run())
    return (try bytes(run), phases.archived)
  }

  private func files(_ cache: ModelCache) -> [String] {
    cache.files().map(\.path).filter { $0.hasSuffix(".features") }
  }

  /// A second run finds all features of the first, and has the same bits; runs with other heads
  /// find them too.
  @Test func laterRunsFindFeatures() throws {
    let expected = try bytes(run("no-cache", recipe()).run)
    let cache = cache()
    #expect(try run("first", recipe(), cache: cache) == (expected, [0, 0]))
    #expect(files(cache).count == 2)
    #expect(try run("second", recipe(), cache: cache) == (expected, [60, 60]))
    var recipe = recipe()
    recipe.head = "gap,dense(6,relu),dense(classes)"
    recipe.split = "50,50"
    recipe.seed = 9
    let other = try bytes(run("other-alone", recipe).run)
    #expect(try run("other", recipe, cache: cache) == (other, [60, 60]))
  }

  /// What features follow from keeps them apart: weights below the cut, preparation of images,
  /// batches.
  @Test func otherWorkFindsNothing() throws {
    let cache = cache()
    var recipe = recipe()
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 1)]
    _ = try run("first", recipe, cache: cache)
    var changed = recipe
    changed.batchSize = 15
    #expect(try run("batch", changed, cache: cache).phases == [0])
    changed = recipe
    changed.preprocess = "torch"
    #expect(try run("preprocess", changed, cache: cache).phases == [0])
    // Another kernel of the same shape.
    var trunk = try FineTuningTests.trunk()
    let id = try #require(trunk.constants.keys.min())
    let kernel = try #require(trunk.constants[id])
    var elements: [Float] = try kernel.elements()
    elements[5] += 0.25
    trunk.constants[id] = try Tensor(elements, shape: kernel.shape)
    changed = recipe
    changed.model = "\(folder)/other.onnx"
    try ONNXExporter().write(trunk, to: changed.model)
    #expect(try run("weights", changed, cache: cache).phases == [0])
    #expect(try run("same", recipe, cache: cache).phases == [60])
  }

  /// Folds have the same images in other places; an image that was changed is another one.
  @Test func foldsShareFeatures() throws {
    let cache = cache()
    var recipe = recipe()
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 2)]
    for (index, fold) in try dataset.folds(count: 3, seed: 1).enumerated() {
      let (bytes, phases) = try run("fold-\(index)", recipe, cache: cache, data: fold)
      #expect(phases == [index == 0 ? 0 : 60])
      let alone = try FineTuningRun(recipe, data: fold, folder: "\(folder)/alone-\(index)")
      #expect(try alone.run())
      #expect(try self.bytes(alone) == bytes)
    }
  }

  /// Variants of images are kept by their random changes.
  @Test func variantsAreFound() throws {
    let cache = cache()
    var recipe = recipe()
    recipe.augment = "flip,crop(2)"
    recipe.cachedAugmentations = 2
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 3)]
    let expected = try bytes(run("alone", recipe).run)
    // 36 images to train on, in two variants each, and 24 others.
    #expect(try run("first", recipe, cache: cache) == (expected, [0]))
    #expect(try run("second", recipe, cache: cache) == (expected, [96]))
    recipe.seed = 4
    recipe.split = "60,20,20"
    let other = try run("seed", recipe, cache: cache)
    #expect(other.phases[0] < 60, "variants of another seed are others")
    recipe.seed = 1
    recipe.augment = "flip,crop(3)"
    let changed = try run("changes", recipe, cache: cache).phases[0]
    #expect(changed == 24, "images that are not trained on do not change")
  }

  /// A damaged file is ignored, and written again.
  @Test func damagedFeaturesAreComputedAnew() throws {
    let cache = cache()
    var recipe = recipe()
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 1)]
    let expected = try run("first", recipe, cache: cache).bytes
    let path = try #require(files(cache).first)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    var damaged: [Data] = [Data(), whole.prefix(7), whole.prefix(whole.count - 1), whole + [0]]
    for place in [0, 8, 16, 24, 32, 39, 60, whole.count / 3, whole.count / 2, whole.count - 1] {
      var copy = whole
      copy[place] ^= 0x81
      damaged.append(copy)
    }
    for (number, bytes) in damaged.enumerated() {
      try bytes.write(to: URL(fileURLWithPath: path))
      let (result, phases) = try run("damaged-\(number)", recipe, cache: cache)
      #expect(result == expected && phases == [0], "damage \(number)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == whole.count)
    }
  }

  /// Features that would take more than their share of the cache are not kept, nor is a cache that
  /// cannot be written.
  @Test func featuresHaveALimit() throws {
    let expected = try bytes(run("alone", recipe()).run)
    // 60 images of 12 channels, then of 8 x 8 x 8 numbers: 2,880 and 122,880 bytes.
    let small = cache("small", byteLimit: 4 * 50_000)
    #expect(try run("small", recipe(), cache: small).bytes == expected)
    #expect(files(small).count == 1)
    try Data().write(to: URL(fileURLWithPath: "\(folder)/occupied"))
    #expect(try run("occupied-run", recipe(), cache: cache("occupied")) == (expected, [0, 0]))
  }
}
