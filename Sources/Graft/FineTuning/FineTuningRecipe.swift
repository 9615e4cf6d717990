import GraftExecution
import GraftFiles
import GraftTraining

extension Recipe {
  /// Reads a `recipe.yaml`.
  ///
  /// - Parameter fromScratch: whether it is for a network from scratch if it does not say so
  /// - Throws: `GraftError` with file and line
  package init(path: String, fromScratch: Bool = false) throws {
    self = try withPlace(path) {
      if let kind = FileKind.recognize(path: path), kind.family != .text {
        throw kind.error(expected: "a recipe", advice: "Use a text file in YAML")
      }
      return try Recipe(
        yaml: TextFile.read(path, limit: 1 << 20), path: path, fromScratch: fromScratch)
    }
  }
}

/// How to train a network: the trunk, its head, preprocessing, and the phases of training.
///
/// Settings have the defaults of `graft finetune`; `graft help finetune` describes their values.
public struct FineTuningRecipe: Sendable, Hashable {
  package var recipe: Recipe

  /// Epochs in which the same weights are trained.
  public struct Phase: Sendable, Hashable {
    /// The parts to train besides the head: `all`, `none`, or names of blocks and layers separated
    /// by commas.
    public var unfreeze: String
    /// Parts of those to leave unchanged, in the same notation.
    public var freeze: String?
    /// The number of epochs.
    public var epochs: Int
    /// The highest learning rate if a schedule changes it.
    public var learningRate: Double
    /// `adam`, `sgd(momentum=0.9,nesterov)`, …
    public var optimizer: String
    /// `constant`, `cosine(warmup=1)`, …
    public var schedule: String

    /// A phase with this number of epochs.
    public init(
      unfreeze: String = "none", freeze: String? = nil, epochs: Int, learningRate: Double,
      optimizer: String = "adam", schedule: String = "constant"
    ) {
      self.unfreeze = unfreeze
      self.freeze = freeze
      self.epochs = epochs
      self.learningRate = learningRate
      self.optimizer = optimizer
      self.schedule = schedule
    }
  }

  /// The arithmetic of convolutions and matrix products.
  public enum Precision: String, Sendable, Hashable {
    /// Floats, and Winograd's algorithm for 3 x 3 convolutions where it is faster.
    case float = "fp32"
    /// Floats, and convolutions as direct sums.
    case exact
    /// Large constant weights rounded to bfloat16.
    case bfloat16 = "bf16"
  }

  /// The type of weights and computation in an exported model.
  public enum ExportType: String, Sendable, Hashable {
    case float32, float16
  }

  /// For a new head on a trained trunk: first trains the head alone, then everything with a small
  /// learning rate.
  ///
  /// - Parameter model: the path of an ONNX file or of Keras HDF5 weights of a known architecture,
  ///   or a name from `graft models list`
  public init(model: String) {
    recipe = Recipe()
    recipe.model = model
  }

  /// For a known architecture (`vgg16`, `vgg19`, `resnet9`) with random initial weights.
  public init(fromScratch architecture: String) {
    recipe = .defaults(fromScratch: true)
    recipe.model = architecture
  }

  /// Reads a `recipe.yaml`.
  ///
  /// - Throws: an error with file and line
  public init(path: String) throws {
    recipe = try Recipe(path: path)
  }

  /// A weight file to use instead of the named model's own.
  public var weights: String? {
    get { recipe.weights }
    set { recipe.weights = newValue }
  }

  /// The node or value whose output the head reads; by default the one before the last layer.
  public var cut: String? {
    get { recipe.cut }
    set { recipe.cut = newValue }
  }

  /// The head's layers: `gmp,dropout(0.3),dense(128,relu,l2=1e-5),dense(classes)`.
  public var head: String {
    get { recipe.head }
    set { recipe.head = newValue }
  }

  /// `64` for both sides, or `320x240` (width and height).
  public var imageSize: String? {
    get { recipe.imageSize }
    set { recipe.imageSize = newValue }
  }

  /// `keras-caffe`, `keras-tf`, `torch`, `unit` or `none`; by default the trunk's own.
  public var preprocess: String? {
    get { recipe.preprocess }
    set { recipe.preprocess = newValue }
  }

  /// `224` for both sides, `320x240`, `shorter:256` or `none`; by default the trunk's own.
  public var resize: String? {
    get { recipe.resize }
    set { recipe.resize = newValue }
  }

  /// The central crop after resizing, `224`, `320x240` or `none`; by default the trunk's own.
  public var crop: String? {
    get { recipe.crop }
    set { recipe.crop = newValue }
  }

  /// `nearest`, `bilinear`, `bicubic` or `tf-bilinear`; by default the trunk's own.
  public var interpolation: String? {
    get { recipe.interpolation }
    set { recipe.interpolation = newValue }
  }

  /// Whether to use images as stored, like Keras, instead of rotating them as their EXIF data or
  /// XMP packet says; by default like the trunk.
  public var ignoreOrientation: Bool? {
    get { recipe.ignoreOrientation }
    set { recipe.ignoreOrientation = newValue }
  }

  /// Random changes of training images: `flip,crop(4)`.
  public var augment: String? {
    get { recipe.augment }
    set { recipe.augment = newValue }
  }

  /// The number of fixed variants of each image, whose features are cached; `nil` for new
  /// variants in each epoch.
  public var cachedAugmentations: Int? {
    get { recipe.cachedAugmentations }
    set { recipe.cachedAugmentations = newValue }
  }

  /// Percentages for training, validation and test.
  public var split: String {
    get { recipe.split }
    set { recipe.split = newValue }
  }

  /// Images per step.
  public var batchSize: Int {
    get { recipe.batchSize }
    set { recipe.batchSize = newValue }
  }

  /// The seed of all random choices.
  public var seed: UInt64 {
    get { recipe.seed }
    set { recipe.seed = newValue }
  }

  /// Whether each epoch has a new order.
  public var shuffle: Bool {
    get { recipe.shuffle }
    set { recipe.shuffle = newValue }
  }

  /// A loss such as `softmax_cross_entropy(label_smoothing=0.1)`; by default binary cross-entropy
  /// for two classes, softmax cross-entropy for more.
  public var loss: String? {
    get { recipe.loss }
    set { recipe.loss = newValue }
  }

  /// Factors for the losses of classes: `balanced`, or `cat=1,dog=2.5`.
  public var classWeights: String? {
    get { recipe.classWeights }
    set { recipe.classWeights = newValue }
  }

  /// A limit for gradients: `value(0.5)`, `norm(1)` or `global_norm(1)`.
  public var gradientClipping: String? {
    get { recipe.gradientClipping }
    set { recipe.gradientClipping = newValue }
  }

  /// Steps whose gradients are averaged for one update of the weights.
  public var accumulationSteps: Int {
    get { recipe.accumulationSteps }
    set { recipe.accumulationSteps = newValue }
  }

  /// Factors for the learning rates of blocks and layers: `block4=0.1,block5=0.3`.
  public var learningRateFactors: String? {
    get { recipe.learningRateFactors }
    set { recipe.learningRateFactors = newValue }
  }

  /// The number of epochs without a smaller loss after which a phase ends and returns to its best
  /// epoch; `nil` for never.
  public var earlyStopping: Int? {
    get { recipe.earlyStopping }
    set { recipe.earlyStopping = newValue }
  }

  /// The arithmetic of convolutions and matrix products.
  public var precision: Precision? {
    get { recipe.precision.flatMap { Precision(rawValue: $0.rawValue) } }
    set { recipe.precision = newValue.flatMap { GraftExecution.Precision(rawValue: $0.rawValue) } }
  }

  /// The type of weights and computation in the exported model; by default float32.
  public var exportType: ExportType? {
    get { recipe.exportType.flatMap { ExportType(rawValue: $0.rawValue) } }
    set { recipe.exportType = newValue.flatMap { ExportOptions.Precision(rawValue: $0.rawValue) } }
  }

  /// Whether to fold BatchNormalization into the layers before it in the exported model.
  public var foldNormalization: Bool? {
    get { recipe.foldNormalization }
    set { recipe.foldNormalization = newValue }
  }

  /// Whether to also write `training.onnx`, with dropout and logits, for more training.
  public var exportTrainingCheckpoint: Bool? {
    get { recipe.exportTrainingCheckpoint }
    set { recipe.exportTrainingCheckpoint = newValue }
  }

  /// The phases of training, in order.
  public var phases: [Phase] {
    get {
      recipe.phases.map {
        Phase(
          unfreeze: $0.unfreeze, freeze: $0.freeze, epochs: $0.epochs,
          learningRate: $0.learningRate, optimizer: $0.optimizer, schedule: $0.schedule)
      }
    }
    set {
      recipe.phases = newValue.map {
        Recipe.Phase(
          unfreeze: $0.unfreeze, freeze: $0.freeze, epochs: $0.epochs,
          learningRate: $0.learningRate, optimizer: $0.optimizer, schedule: $0.schedule)
      }
    }
  }
}
