import Foundation
import GraftFiles
import GraftTraining
import TestSupport
import Testing

@Suite struct RecipeTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("recipes")

  /// Those that come with the project say what they seem to.
  @Test func committedRecipesAreRead() throws {
    let files = try FileManager.default.contentsOfDirectory(
      at: RecipeTests.folder, includingPropertiesForKeys: nil
    ).filter { $0.pathExtension == "yaml" }
    #expect(files.count >= 4)
    for file in files {
      let text = try String(contentsOf: file, encoding: .utf8)
      let recipe = try Recipe(yaml: text)
      // Results that documents show must not depend on defaults.
      #expect(text.components(separatedBy: "schedule:").count == recipe.phases.count + 1)
      #expect(recipe.phases.count == (recipe.fromScratch ? 1 : 2), "\(file.lastPathComponent)")
      for phase in recipe.phases {
        _ = try Optimizers.named(phase.optimizer)
        _ = try Schedules.named(phase.schedule)
      }
    }
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    var recipe = Recipe()
    recipe.imageSize = "64"
    recipe.weights = "weights: odd #name.h5"
    recipe.classWeights = "cat=2,dog=0.5"
    recipe.gradientClipping = "global_norm(1)"
    recipe.accumulationSteps = 4
    recipe.learningRateFactors = "block4=0.1"
    recipe.earlyStopping = 3
    recipe.exportType = .float16
    recipe.foldNormalization = true
    recipe.exportTrainingCheckpoint = false
    recipe.phases = [Recipe.Phase(unfreeze: "block4,block5", epochs: 3, learningRate: 1.5e-7)]
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    #expect(try Recipe(yaml: "model: vgg19") != recipe)
  }

  @Test(arguments: [0.001, 1e-5, 3e-4, 1.5e-7, 0.1 + 0.2, 1e-30, 0, .leastNormalMagnitude])
  func learningRatesAreWrittenShort(_ rate: Double) throws {
    var recipe = Recipe()
    recipe.phases = [Recipe.Phase(learningRate: rate)]
    let yaml = recipe.yaml
    #expect(try Recipe(yaml: yaml) == recipe)
    if rate == 1e-5 { #expect(yaml.contains("learning_rate: 0.00001\n")) }
  }

  /// Who names what is frozen trains the rest.
  @Test func freezingMeansTrainingTheRest() throws {
    let phase = try Recipe(yaml: "phases: [{freeze: block1}]").phases[0]
    #expect(phase.unfreeze == "all" && phase.freeze == "block1")
    let both = try Recipe(yaml: "phases: [{freeze: block1, unfreeze: 'block1,block2'}]").phases[0]
    #expect(both.unfreeze == "block1,block2" && both.freeze == "block1")
    var recipe = Recipe()
    recipe.phases = [both]
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
  }

  @Test func clippingIsNamed() throws {
    #expect(try GradientClipping.named("value(0.5)") == .value(0.5))
    #expect(try GradientClipping.named("norm(2)") == .norm(2))
    #expect(try GradientClipping.named("global_norm(1e-3)") == .globalNorm(1e-3))
  }

  /// Numbers are allowed as texts.
  @Test func plainNumbersAreText() throws {
    let recipe = try Recipe(yaml: "image_size: 64\ncrop: 224\nweights: 1e3\n")
    #expect(recipe.imageSize == "64" && recipe.crop == "224" && recipe.weights == "1e3")
  }

  @Test(
    arguments: [
      ("bach_size: 3", "line 1: unknown property 'bach_size'. Did you mean 'batch_size'?"),
      ("seed: 2\nbatch_size: many", "line 2: invalid value 'many' for 'batch_size'. Use a whole"),
      ("phases: []", "no phases"), ("phases: [{epoch: 3}]", "Did you mean 'epochs'?"),
      ("epochs: 3", "unknown property 'epochs'. It belongs to an entry of 'phases'"),
      ("batch_size: 0", "invalid value '0' for 'batch_size'. Use a whole number from 1 to 65536"),
      ("head: dense(4)", "dense(classes)"), ("head: 'gap,dens(4),dense(classes)'", "dens"),
      ("head: 'gap,dense(4,relu,tanh),dense(classes)'", "unknown argument 'tanh' of 'dense'"),
      ("head: 'dropout(nan),dense(classes)'", "from 0 to below 1"), ("model: [1", "YAML"),
      ("phases:\n- epochs: 1\n- learning_rate: -1", "line 3: invalid value '-1' for"),
      ("phases: [{learning_rate: .nan}]", "invalid value '.nan' for 'learning_rate'. Use a number"),
      ("phases: [{learning_rate: nan}]", "invalid value 'nan'"),
      ("phases: [{learning_rate: -.inf}]", "invalid value '-.inf'"),
      ("[1, 2]", "is not a recipe"), ("image_size: 999999", "sides from 1 to 65536"),
      ("split: 50,60", "adds up to 110"), ("preprocess: imagenet", "keras-caffe"),
      ("early_stopping: 0", "'early_stopping'"), ("accumulation_steps: 0", "'accumulation_steps'"),
      ("gradient_clipping: norms(1)", "global_norm"), ("gradient_clipping: norm(0)", "norm(0)"),
      ("gradient_clipping: norm", "norm(1)"), ("learning_rate_factors: block4", "block4"),
      ("learning_rate_factors: block4=x", "block4=x"), ("class_weights: cat=nan", "'cat=nan'"),
      ("export_type: f16", "Use float32 or float16"), ("augment: crop(-1)", "from 1 to 4096"),
      ("from_scratch: true\nweights: w.h5", "weights cannot be combined"),
    ])
  func mistakesAreNamed(_ yaml: String, part: String) {
    expectError(.badData, part) { try Recipe(yaml: yaml) }
  }

  // MARK: - What a recipe leaves out

  @Test func theRestIsTheDefault() throws {
    #expect(try Recipe(yaml: "model: vgg16") == Recipe())
    let scratch = Recipe.defaults(fromScratch: true)
    #expect(try Recipe(yaml: "model: vgg16", fromScratch: true) == scratch)
    #expect(scratch.batchSize == 128 && scratch.phases.map(\.unfreeze) == ["all"])
    // A file that says it means the same for both commands.
    #expect(try Recipe(yaml: "from_scratch: true") == scratch)
    #expect(try Recipe(yaml: "from_scratch: false", fromScratch: true) == Recipe())
  }

  /// A phase takes what it leaves out from the same phase of the defaults, or from the last one.
  @Test func thePhasesHaveTheirDefaults() throws {
    let yaml = "phases: [{epochs: 7}, {optimizer: sgd}, {learning_rate: 0.5}]"
    let phases = try Recipe(yaml: yaml).phases
    #expect(phases.map(\.unfreeze) == ["none", "all", "all"])
    #expect(phases.map(\.epochs) == [7, 5, 5])
    #expect(phases.map(\.learningRate) == [1e-3, 1e-5, 0.5])
    #expect(phases.map(\.optimizer) == ["adam", "sgd", "adam"])
    #expect(phases.map(\.schedule) == ["cosine", "cosine", "cosine"])
    let scratch = try Recipe(yaml: yaml, fromScratch: true).phases
    #expect(scratch.map(\.unfreeze) == ["all", "all", "all"])
    #expect(scratch.map(\.epochs) == [7, 30, 30])
  }

  // MARK: - Options

  private func changed(_ options: [String: String], yaml: String = "seed: 1") throws -> Recipe {
    var recipe = try Recipe(yaml: yaml)
    try recipe.set(options: options)
    return recipe
  }

  @Test func optionsOverrideARecipe() throws {
    let recipe = try changed(
      ["batch_size": "8", "shuffle": "false", "weights": "null", "export_type": "float16"],
      yaml: "batch_size: 4\nhead: gap,dense(classes)")
    #expect(recipe.batchSize == 8 && !recipe.shuffle && recipe.weights == "null")
    #expect(recipe.exportType == .float16 && recipe.head == "gap,dense(classes)")
  }

  @Test func optionsOfPhasesAreLists() throws {
    #expect(try changed(["epochs": "4"]).phases.map(\.epochs) == [4])
    #expect(try changed(["epochs": "4, 2,1"]).phases.map(\.epochs) == [4, 2, 1])
    #expect(try changed(["unfreeze": "none;all", "epochs": "4"]).phases.map(\.epochs) == [4, 4])
    let recipe = try changed(["learning_rate": "0.5", "optimizer": "sgd;adam(beta1=0.5)"])
    #expect(recipe.phases.map(\.learningRate) == [0.5, 0.5])
    #expect(recipe.phases.map(\.optimizer) == ["sgd", "adam(beta1=0.5)"])
    #expect(recipe.phases.map(\.epochs) == [30, 5])
    #expect(try changed(["freeze": "block1"]).phases.map(\.unfreeze) == ["all", "all"])
  }

  @Test(
    arguments: [
      (
        ["epochs": "1,2,3", "learning_rate": "1,2"], "--learning-rate has 2 values, but there are 3"
      ),
      (["unfreeze": "none;all;none"], "--unfreeze has 3 values, but there are 2 phases. Use one"),
      (["epochs": "4", "unfreeze": "a;b", "optimizer": "sgd;sgd;sgd"], "--unfreeze has 2 values"),
      (["epochs": "x"], "invalid value 'x' for '--epochs'. Use a whole number from 0 to 1000000"),
      (["epochs": ""], "invalid value ''"), (["epochs": "1,,2"], "invalid value ''"),
      (["learning_rate": "nan"], "invalid value 'nan' for '--learning-rate'. Use a number from 0"),
      (["learning_rate": "-nan"], "invalid value '-nan'"), (["learning_rate": "inf"], "'inf'"),
      (["learning_rate": "1,-.5"], "invalid value '-.5'"),
      (["batch_size": "0"], "invalid value '0' for '--batch-size'. Use a whole number from 1 to"),
      (["seed": "-1"], "invalid value '-1' for '--seed'"), (["optimizer": "adm"], "'adm'"),
      (["image_size": "999999"], "with sides from 1 to 65536"),
      (["crop": "0"], "invalid crop size"),
    ] as [([String: String], String)])
  func wrongOptionsAreNamed(_ options: [String: String], part: String) {
    expectError(.usage, part) { try changed(options) }
  }
}
