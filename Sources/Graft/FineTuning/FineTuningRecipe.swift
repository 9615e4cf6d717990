import GraftFiles
import GraftTraining

extension Recipe {
  /// As a `recipe.yaml` says.
  ///
  /// - Throws: `GraftError` that names file and line
  package init(path: String) throws {
    self = try withPlace(path) { try Recipe(yaml: TextFile.read(path, limit: 1 << 20)) }
  }
}

/// How a network is trained: the trunk, the head on it, the images' preparation, and the phases of training.
///
/// What is not set has the default of `graft finetune`; `graft help finetune` says what each text may be.
public struct FineTuningRecipe: Sendable, Hashable {
  package var recipe: Recipe

  /// Some epochs with the same weights being trained.
  public struct Phase: Sendable, Hashable {
    /// What is trained besides the head: `all`, `none`, or names of blocks and layers with commas between them.
    public var unfreeze: String
    /// What of that stays as it is, written alike.
    public var freeze: String?
    /// How often each image is trained on.
    public var epochs: Int
    /// The largest one where a schedule changes it.
    public var learningRate: Double
    /// `adam`, `sgd(momentum=0.9,nesterov)`, …
    public var optimizer: String
    /// `constant`, `cosine(warmup=1)`, …
    public var schedule: String

    /// A phase of so many epochs.
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

  /// For a new head on a trained trunk: first the head alone, then everything with a small learning rate.
  ///
  /// - Parameter model: the path of an ONNX file or of Keras HDF5 weights of a known architecture, or a name that
  ///   `graft models list` shows
  public init(model: String) {
    recipe = Recipe()
    recipe.model = model
  }

  /// For a known architecture (`vgg16`, `vgg19`, `resnet9`) with random first weights.
  public init(fromScratch architecture: String) {
    recipe = .scratch
    recipe.model = architecture
  }

  /// As a `recipe.yaml` says.
  ///
  /// - Throws: an error that names file and line
  public init(path: String) throws {
    recipe = try Recipe(path: path)
  }

  /// A weights file to use instead of the named model's own.
  public var weights: String? {
    get { recipe.weights }
    set { recipe.weights = newValue }
  }

  /// The node or value whose output the head reads; by default what the last layer reads.
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

  /// Whether images stay as they are stored, as Keras reads them, and are not turned upright as their EXIF data or XMP
  /// packet say; by default as the trunk has it.
  public var ignoreOrientation: Bool? {
    get { recipe.ignoreOrientation }
    set { recipe.ignoreOrientation = newValue }
  }

  /// Random changes of training images: `flip,crop(4)`.
  public var augment: String? {
    get { recipe.augment }
    set { recipe.augment = newValue }
  }

  /// Shares of training, validation and test in percent.
  public var split: String {
    get { recipe.split }
    set { recipe.split = newValue }
  }

  /// Images per step.
  public var batchSize: Int {
    get { recipe.batchSize }
    set { recipe.batchSize = newValue }
  }

  /// What all random choices follow from.
  public var seed: UInt64 {
    get { recipe.seed }
    set { recipe.seed = newValue }
  }

  /// Epochs without a smaller loss after which a phase ends and goes back to its best epoch; `nil` for never.
  public var earlyStopping: Int? {
    get { recipe.earlyStopping }
    set { recipe.earlyStopping = newValue }
  }

  /// What is trained, one after the other.
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
