import Graft
import GraftTraining
import Testing

@Suite struct FineTuningRecipeTests {
  /// A value other than the default for each setting.
  private static let yaml = """
    model: vgg19
    from_scratch: false
    weights: w.h5
    cut: block4_pool
    head: gap,dense(classes)
    image_size: 96x64
    preprocess: torch
    resize: shorter:100
    crop: 96x64
    interpolation: bicubic
    ignore_orientation: true
    augment: flip
    cached_augmentations: 3
    split: 70,15,15
    batch_size: 8
    seed: 5
    shuffle: false
    loss: categorical_cross_entropy
    class_weights: balanced
    gradient_clipping: norm(1)
    accumulation_steps: 2
    learning_rate_factors: block4=0.1
    early_stopping: 4
    precision: exact
    export_type: float16
    fold_normalization: true
    export_training_checkpoint: true
    phases:
    - unfreeze: all
      freeze: block1
      epochs: 7
      learning_rate: 0.25
      optimizer: sgd
      schedule: cosine

    """

  private func keys(of yaml: String) -> [String] {
    yaml.split(separator: "\n").compactMap { line in
      line.first?.isLetter == true ? line.split(separator: ":").first.map(String.init) : nil
    }
  }

  @Test func filesHaveAllSettings() throws {
    let recipe = try Recipe(yaml: FineTuningRecipeTests.yaml)
    let written = recipe.yaml
    #expect(try Recipe(yaml: written) == recipe)
    for text in [written, FineTuningRecipeTests.yaml] {
      #expect(keys(of: text) == Recipe.settings.map(\.key))
    }
  }

  @Test func theInterfaceHasAllSettings() throws {
    var recipe = FineTuningRecipe(model: "vgg19")
    recipe.weights = "w.h5"
    recipe.cut = "block4_pool"
    recipe.head = "gap,dense(classes)"
    recipe.imageSize = "96x64"
    recipe.preprocess = "torch"
    recipe.resize = "shorter:100"
    recipe.crop = "96x64"
    recipe.interpolation = "bicubic"
    recipe.ignoreOrientation = true
    recipe.augment = "flip"
    recipe.cachedAugmentations = 3
    recipe.split = "70,15,15"
    recipe.batchSize = 8
    recipe.seed = 5
    recipe.shuffle = false
    recipe.loss = "categorical_cross_entropy"
    recipe.classWeights = "balanced"
    recipe.gradientClipping = "norm(1)"
    recipe.accumulationSteps = 2
    recipe.learningRateFactors = "block4=0.1"
    recipe.earlyStopping = 4
    recipe.precision = .exact
    recipe.exportType = .float16
    recipe.foldNormalization = true
    recipe.exportTrainingCheckpoint = true
    recipe.phases = [
      .init(
        unfreeze: "all", freeze: "block1", epochs: 7, learningRate: 0.25, optimizer: "sgd",
        schedule: "cosine")
    ]
    #expect(try recipe.recipe == Recipe(yaml: FineTuningRecipeTests.yaml))
    #expect(recipe.precision == .exact && recipe.exportType == .float16)
  }
}
