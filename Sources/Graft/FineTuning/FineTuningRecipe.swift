import GraftFiles
import GraftTraining

extension Recipe {
  /// Reads a `recipe.yaml`.
  ///
  /// - Throws: `GraftError` with file and line
  package init(path: String) throws {
    self = try withPlace(path) { try Recipe(yaml: TextFile.read(path, limit: 1 << 20)) }
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
    recipe = .scratch
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

  /// The number of epochs without a smaller loss after which a phase ends and returns to its best
  /// epoch; `nil` for never.
  public var earlyStopping: Int? {
    get { recipe.earlyStopping }
    set { recipe.earlyStopping = newValue }
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
