import GraftExecution
import GraftFiles

/// All that says how a network is trained; with the data and the trunk's weights it determines the result.
///
/// Recipes are YAML files; what one leaves out has the default that stands here.
package struct Recipe: Sendable, Codable, Hashable {
  /// The trunk: a name, an ONNX file, or weights of a known architecture.
  package var model = "vgg16"
  /// Whether the trunk, a known architecture, begins with random weights.
  package var fromScratch = false
  /// A weights file to use instead of the named model's own.
  package var weights: String?
  /// The node or value whose output the head reads.
  package var cut: String?
  package var head = HeadSpecification.standard.description
  /// `64` or `320x240` (width and height).
  package var imageSize: String?
  package var preprocess: String?
  package var resize: String?
  package var crop: String?
  package var interpolation: String?
  /// Whether images stay as they are stored, as Keras reads them, and are not turned upright as their EXIF data or XMP
  /// packet say; by default as the trunk has it.
  package var ignoreOrientation: Bool?
  /// Random changes of training images, as ``AugmentationPipeline`` reads them.
  package var augment: String?
  /// How many variants of each training image take turns while part of the network is frozen, so that features can
  /// be kept: an epoch's is its number modulo this. By default, each epoch has its own.
  package var cachedAugmentations: Int?
  /// Shares of training, validation and test in percent.
  package var split = "80,20"
  package var batchSize = 32
  package var seed: UInt64 = 1
  /// Whether each epoch has an order of its own.
  package var shuffle = true
  /// A loss by name; by default binary cross-entropy for two classes, softmax cross-entropy for more.
  package var loss: String?
  /// What the losses of classes are multiplied by: `balanced`, or `cat=1,dog=2.5`; 1 for the others.
  package var classWeights: String?
  /// A bound on gradients: `value(0.5)`, `norm(1)` (of each weight's), `global_norm(1)`.
  package var gradientClipping: String?
  /// Steps whose gradients are averaged before weights change.
  package var accumulationSteps = 1
  /// What the learning rate is multiplied by for blocks and layers: `block4=0.1,block5=0.3`; 1 for the others.
  package var learningRateFactors: String?
  /// Epochs without a smaller loss (on validation data if there are any) after which a phase ends; it then goes back
  /// to its best epoch.
  package var earlyStopping: Int?
  /// How exactly convolutions and matrix products are computed; by default as ``FineTuner/Options`` say.
  package var precision: Precision?
  /// The type of weights and of what is computed in the exported network; by default float32. It changes nothing of
  /// training, nor do the two that follow.
  package var exportType: ExportOptions.Precision?
  /// Whether BatchNormalization moves into the layers in front of it in the exported network.
  package var foldNormalization: Bool?
  /// Whether the network is exported in the form of training, too.
  package var exportTrainingCheckpoint: Bool?
  package var phases = [
    Phase(unfreeze: "none", epochs: 30, learningRate: 1e-3, schedule: "cosine"),
    Phase(unfreeze: "all", epochs: 5, learningRate: 1e-5, schedule: "cosine"),
  ]

  /// How many phases there are up to the last one that trains. Those behind it have no epochs, and a run does not come
  /// to them: its end is that of the last phase, which can be given more epochs.
  package var enteredPhaseCount: Int { (phases.lastIndex { $0.epochs > 0 } ?? 0) + 1 }

  /// Some epochs with the same weights being trained.
  package struct Phase: Sendable, Codable, Hashable {
    /// What is trained besides the head: `all`, `none`, or names of blocks and layers.
    package var unfreeze = "none"
    /// What of that stays as it is, written alike.
    package var freeze: String?
    package var epochs = 10
    package var learningRate = 3e-4
    package var optimizer = "adam"
    package var schedule = "constant"

    package init(
      unfreeze: String = "none", freeze: String? = nil, epochs: Int = 10,
      learningRate: Double = 3e-4, optimizer: String = "adam", schedule: String = "constant"
    ) {
      self.unfreeze = unfreeze
      self.freeze = freeze
      self.epochs = epochs
      self.learningRate = learningRate
      self.optimizer = optimizer
      self.schedule = schedule
    }

    /// What is trained.
    package var selection: WeightSelection { WeightSelection(unfreeze, except: freeze) }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case unfreeze, freeze, epochs
      case learningRate = "learning_rate"
      case optimizer, schedule
    }
  }

  package init() {}

  /// What `graft train` does where nothing else is said.
  package static var scratch: Recipe {
    var recipe = Recipe()
    recipe.fromScratch = true
    recipe.head = HeadSpecification.untrained.description
    recipe.batchSize = 128
    recipe.phases = [Phase(unfreeze: "all", epochs: 30, learningRate: 1e-3, schedule: "cosine")]
    return recipe
  }

  /// What ``augment`` says; `nil` for no change.
  package var augmentation: AugmentationPipeline? {
    get throws {
      guard let pipeline = try augment.map({ try AugmentationPipeline($0) }), !pipeline.isEmpty
      else { return nil }
      return pipeline
    }
  }

  private func validateAugmentation() throws {
    let augmentation = try augmentation
    guard let count = cachedAugmentations else { return }
    guard (1...1000).contains(count) else {
      throw GraftError.usage("cached_augmentations \(count) is not between 1 and 1000")
    }
    guard let augmentation else {
      throw GraftError.usage(
        "cached_augmentations \(count) are variants of images that do not change",
        hint: "Say how they change with --augment")
    }
    guard !augmentation.mixesTargets else {
      throw GraftError.usage(
        "cached_augmentations keep what the frozen part makes of one image, not of two that are mixed",
        hint: "Leave mixup and cutmix out, or do without --cached-augmentations")
    }
  }

  /// - Throws: `GraftError` that names the property with an impossible value.
  package func validate() throws {
    guard (1...65536).contains(batchSize) else {
      throw GraftError.usage("batch_size \(batchSize) is not between 1 and 65536")
    }
    guard (1...65536).contains(accumulationSteps) else {
      throw GraftError.usage("accumulation_steps \(accumulationSteps) is not between 1 and 65536")
    }
    guard (1...1_000_000).contains(earlyStopping ?? 1) else {
      throw GraftError.usage("early_stopping \(earlyStopping ?? 0) is not between 1 and 1000000")
    }
    if let loss { _ = try Losses.named(loss) }
    if let gradientClipping { _ = try GradientClipping.named(gradientClipping) }
    if let learningRateFactors { _ = try LearningRateFactors(learningRateFactors) }
    guard !phases.isEmpty else { throw GraftError.usage("the recipe has no phases") }
    for (number, phase) in phases.enumerated() {
      try withPlace("phase \(number + 1)") {
        guard (0...1_000_000).contains(phase.epochs) else {
          throw GraftError.usage("epochs \(phase.epochs) is not between 0 and 1000000")
        }
        guard phase.learningRate >= 0, phase.learningRate.isFinite else {
          throw GraftError.usage("learning_rate \(phase.learningRate) is not a number from 0")
        }
        _ = try Optimizers.named(phase.optimizer)
        _ = try Schedules.named(phase.schedule)
      }
    }
    _ = try HeadSpecification(head)
    try validateAugmentation()
    guard !fromScratch || weights == nil else {
      throw GraftError.usage("a network that is trained from scratch takes no weights")
    }
  }
}
