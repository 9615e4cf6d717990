import GraftData
import GraftFiles
import GraftOperators
import GraftTensor
import GraftVision

/// The images of a run: the batches of each epoch, their random changes, and their targets.
///
/// Order and changes depend only on the seed and the position in the run.
struct RunImages {
  /// Images for training, validation and test, in this order.
  let inputs: ImageBatches
  let trainingCount: Int
  let validation: Range<Int>
  let test: Range<Int>
  let augmentation: AugmentationPipeline?
  let targets: ClassificationTargets
  private let loss: any Loss
  private let recipe: Recipe

  /// - Throws: `GraftError` if there are fewer training images than a batch has, or sizes differ
  init(
    _ recipe: Recipe, _ data: DatasetSplit, _ preprocessing: Preprocessing,
    augmentation: AugmentationPipeline?, loss: any Loss, targets: ClassificationTargets,
    threadCount: Int
  ) throws {
    try recipe.using("split") {
      guard !data.training.isEmpty else {
        throw GraftError.usage("there are no training images", hint: "Change --split")
      }
    }
    try recipe.using("batch_size") {
      let count = data.training.count
      guard recipe.batchSize <= count else {
        throw GraftError.usage(
          "a batch of \(recipe.batchSize) is larger than the \(count.counting("training image"))",
          hint: count == 1 ? "Use 1" : "Use \(count) or less")
      }
    }
    self.recipe = recipe
    self.augmentation = augmentation
    self.loss = loss
    self.targets = targets
    trainingCount = data.training.count
    validation = trainingCount..<trainingCount + data.validation.count
    test = validation.upperBound..<validation.upperBound + data.test.count
    inputs = try ImageBatches(
      data.training + data.validation + data.test, preprocessing, threadCount: threadCount,
      trainingCount: trainingCount, augmentation: augmentation)
  }

  var counts: RunState.ImageCounts {
    RunState.ImageCounts(
      training: trainingCount, validation: validation.count, test: test.count)
  }

  /// The batches of an epoch, as image numbers.
  func batches(ofEpoch epoch: Int, phase: Int) -> [[Int]] {
    var order = Array(0..<trainingCount)
    if recipe.shuffle {
      var generator = SeededGenerator(seed: seed(0, phase: phase, epoch: epoch))
      order = generator.permutation(order.count)
    }
    return batches(of: order)
  }

  /// Image numbers in batches; the last one may be smaller.
  func batches(of numbers: [Int]) -> [[Int]] {
    stride(from: 0, to: numbers.count, by: recipe.batchSize).map {
      Array(numbers[$0..<min($0 + recipe.batchSize, numbers.count)])
    }
  }

  /// A seed for one purpose at a position in the run.
  func seed(_ purpose: Int, phase: Int, epoch: Int = 0) -> UInt64 {
    CounterRandom(
      seed: Int(truncatingIfNeeded: recipe.seed), stream: purpose, step: phase
    ).bits(at: epoch)
  }

  /// An epoch's source of random changes; `nil` without augmentation.
  ///
  /// - Parameter variantCount: the number of cached variants of each image; `nil` for new ones
  func round(ofEpoch epoch: Int, phase: Int, variantCount: Int?) -> AugmentationRound? {
    guard augmentation != nil else { return nil }
    return AugmentationRound(
      seed: recipe.seed, phase: phase, epoch: epoch, variantCount: variantCount)
  }

  /// The classes of images, and the targets of the loss.
  ///
  /// - Parameter round: the source of random changes; `nil` for unchanged images
  func targets(
    of numbers: [Int], in round: AugmentationRound?
  ) throws -> (labels: [Int], tensor: Tensor) {
    guard let round, augmentation?.mixesTargets == true else {
      let labels = numbers.map { inputs.items[$0].label }
      return (labels, try targets.tensor(labels, for: loss))
    }
    let labels = numbers.map { number in
      let mixture = inputs.mixture(of: number, in: round)
      return MixedLabel(
        own: inputs.items[number].label,
        partner: inputs.items[mixture?.partner ?? number].label, share: mixture?.share ?? 1)
    }
    return (labels.map(\.larger), try targets.tensor(mixed: labels))
  }
}
