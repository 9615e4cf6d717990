import GraftExecution
import GraftFiles

/// Everything about how a network is trained; with the data and the trunk's weights it determines
/// the result.
///
/// Recipes are YAML files; omitted properties have the defaults below.
package struct Recipe: Sendable, Hashable {
  /// The trunk: a name, an ONNX file, or weights of a known architecture.
  package var model = "vgg16"
  /// Whether the trunk, a known architecture, starts with random weights.
  package var fromScratch = false
  /// A weight file to use instead of the named model's own.
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
  /// Whether to use images as stored, like Keras, instead of rotating them as their EXIF data or
  /// XMP packet says; by default like the trunk.
  package var ignoreOrientation: Bool?
  /// Random changes of training images, in the syntax of ``AugmentationPipeline``.
  package var augment: String?
  /// The number of variants of each training image that repeat while part of the network is frozen,
  /// so that features can be cached: an epoch's variant is its number modulo this. By default, each
  /// epoch has its own.
  package var cachedAugmentations: Int?
  /// Percentages for training, validation and test.
  package var split = "80,20"
  package var batchSize = 32
  package var seed: UInt64 = 1
  /// Whether each epoch has its own order.
  package var shuffle = true
  /// A loss by name; by default binary cross-entropy for two classes, softmax cross-entropy for
  /// more.
  package var loss: String?
  /// Factors for the losses of classes: `balanced`, or `cat=1,dog=2.5`; 1 for the others.
  package var classWeights: String?
  /// A limit for gradients: `value(0.5)`, `norm(1)` (per weight), `global_norm(1)`.
  package var gradientClipping: String?
  /// The number of steps whose gradients are averaged for one update.
  package var accumulationSteps = 1
  /// Factors for the learning rates of blocks and layers: `block4=0.1,block5=0.3`; 1 for the
  /// others.
  package var learningRateFactors: String?
  /// The number of epochs without a smaller loss (on validation data if there are any) after which
  /// a phase ends and returns to its best epoch.
  package var earlyStopping: Int?
  /// The precision of convolutions and matrix products; by default from ``FineTuner/Options``.
  package var precision: Precision?
  /// The type of weights and intermediate values in the exported network; by default float32. Like
  /// the next two, it does not affect training.
  package var exportType: ExportOptions.Precision?
  /// Whether to fold BatchNormalization into the layers before it in the exported network.
  package var foldNormalization: Bool?
  /// Whether to export the network in its training form too.
  package var exportTrainingCheckpoint: Bool?
  /// Where settings were given.
  package var origins = SettingOrigins()
  package var phases = [
    Phase(unfreeze: "none", epochs: 30, learningRate: 1e-3, schedule: "cosine"),
    Phase(unfreeze: "all", epochs: 5, learningRate: 1e-5, schedule: "cosine"),
  ]

  /// The number of phases up to the last one with epochs. Later ones are never entered: the run
  /// ends with that phase, which can be extended.
  package var enteredPhaseCount: Int { (phases.lastIndex { $0.epochs > 0 } ?? 0) + 1 }

  /// Epochs in which the same weights are trained.
  package struct Phase: Sendable, Hashable {
    /// The parts to train besides the head: `all`, `none`, or names of blocks and layers.
    package var unfreeze: String
    /// Parts of those to leave unchanged, in the same notation.
    package var freeze: String?
    package var epochs: Int
    package var learningRate: Double
    package var optimizer: String
    package var schedule: String
    /// Where settings were given.
    package var origins = SettingOrigins()

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

    /// The weights to train.
    package var selection: WeightSelection { WeightSelection(unfreeze, except: freeze) }
  }

  package init() {}

  /// The defaults of `graft train`, or of `graft finetune`.
  package static func defaults(fromScratch: Bool) -> Recipe {
    var recipe = Recipe()
    guard fromScratch else { return recipe }
    recipe.fromScratch = true
    recipe.head = HeadSpecification.untrained.description
    recipe.batchSize = 128
    recipe.phases = [Phase(unfreeze: "all", epochs: 30, learningRate: 1e-3, schedule: "cosine")]
    return recipe
  }

  /// The parsed ``augment``; `nil` for no change.
  package var augmentation: AugmentationPipeline? {
    get throws {
      guard let pipeline = try augment.map({ try AugmentationPipeline($0) }), !pipeline.isEmpty
      else { return nil }
      return pipeline
    }
  }

  /// - Throws: `GraftError` that names a setting with an invalid value, or settings that contradict
  ///   each other
  package func validate() throws {
    for setting in Recipe.settings { try setting.check(self) }
    if cachedAugmentations != nil {
      try using("cached_augmentations", "augment") {
        guard let augmentation = try augmentation else {
          throw GraftError.usage(
            "cached augmentations require an augmentation", hint: "Set it with --augment")
        }
        guard !augmentation.mixesTargets else {
          throw GraftError.usage(
            "cached augmentations cannot be combined with mixup and cutmix, which mix two images",
            hint: "Omit mixup and cutmix, or --cached-augmentations")
        }
      }
    }
    try using("weights", "from_scratch") {
      guard !fromScratch || weights == nil else {
        throw GraftError.usage(
          "weights cannot be combined with training from scratch",
          hint: "Omit them, or use graft finetune")
      }
    }
  }
}
