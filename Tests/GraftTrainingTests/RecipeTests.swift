import Foundation
import GraftFiles
import GraftTraining
import TestSupport
import Testing

@Suite struct RecipeTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("recipes")

  private static func phases(_ count: Int) -> String {
    "phases:\n" + String(repeating: "- {epochs: 1}\n", count: count)
  }

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
      ("gradient_clipping: norms(1)", "Did you mean"), ("gradient_clipping: norm(0)", "norm(1)"),
      ("gradient_clipping: norm", "norm(1)"), ("learning_rate_factors: block4", "block4"),
      ("learning_rate_factors: block4=x", "block4=x"), ("class_weights: cat=nan", "'cat=nan'"),
      ("export_type: f16", "Use float32 or float16"), ("augment: crop(-1)", "from 1 to 4096"),
      (
        "from_scratch: true\nweights: w.h5", "line 2: weights: weights cannot be combined"
      ),
      ("precision: half", "Use fp32, exact or bf16"),
      ("model: ''", "invalid value '' for 'model'. Use the name of a model or file"),
      ("cut: ' '", "invalid value ' ' for 'cut'"),
      ("weights: ''", "invalid value '' for 'weights'"),
      ("phases: [{freeze: ''}]", "invalid value '' for 'freeze'. Use all, none, or names"),
      ("phases: [{unfreeze: 'a,,b'}]", "invalid value 'a,,b' for 'unfreeze'"),
      ("phases:\n- {}\n- optimizer: adam,sgd", "line 3: optimizer: 'adam,sgd' is a list, not one"),
      (RecipeTests.phases(101), "line 1: there are 101 phases. Use at most 100"),
      (
        "phases: [{learning_rate: 1e-400}]", "it is too close to 0, and would become 0. Use 0, or a"
      ),
      ("phases: [{learning_rate: 0x1p3}]", "invalid value '0x1p3'"), ("split: 0x50,0x14", "split"),
      ("split: 1e999,0", "split"), ("gradient_clipping: norm(0x1p3)", "'0x1p3'"),
      ("gradient_clipping: norm(1e-60)", "too close to 0, and would become 0. Use a larger number"),
      ("gradient_clipping: nrm(1)", "unknown gradient clipping 'nrm'. Did you mean 'norm'"),
      ("gradient_clipping: norm", "'norm' requires one limit. Use a number, such as norm(1)"),
      ("head: 'dropout(0x1p-2),dense(classes)'", "'0x1p-2' for 'dropout'"),
      ("head: 'gap,dropuot(0.3),dense(classes)'", "Did you mean 'dropout'?"),
      ("head: 'gap,dense(classes,l2=atuo)'", "Use a number from 0 to 1e+30, or auto"),
      ("head: 'gap,dense(classes,l2=auto,l2=1)'", "'l2' is given twice in 'dense'"),
      (
        "class_weights: balancd", "class_weights: invalid value 'balancd'. Did you mean 'balanced'?"
      ),
      ("cached_augmentations: 3", "line 1: cached_augmentations: cached augmentations require an"),
      ("cached_augmentations: 3", "Set it with 'augment'"),
    ])
  func mistakesAreNamed(_ yaml: String, part: String) {
    expectError(.badData, part) { try Recipe(yaml: yaml) }
  }

  @Test func aHundredPhasesAreRead() throws {
    #expect(try Recipe(yaml: RecipeTests.phases(100)).phases.count == 100)
  }

  // MARK: - Where settings come from

  @Test func recipesKnowWhatWasGiven() throws {
    var recipe = try Recipe(yaml: "seed: 3\nweights: ~")
    #expect(recipe.gives("seed") && !recipe.gives("batch_size") && !recipe.gives("weights"))
    try recipe.set(options: ["batch_size": "32"])
    #expect(recipe.gives("batch_size"))
    // It does not make recipes different.
    #expect(try recipe == Recipe(yaml: "batch_size: 32\nseed: 3"))
    // In a file from which a network starts from scratch, too.
    #expect(try Recipe(yaml: "from_scratch: true\nbatch_size: 8").gives("batch_size"))
    #expect(try !Recipe(yaml: "from_scratch: true").gives("batch_size"))
  }

  /// What does not fit is an error of the option, or else of the line of the file.
  @Test func settingsThatDoNotFitAreNamed() throws {
    func fail() throws { throw GraftError.usage("it does not fit", hint: "Change --batch-size") }
    var recipe = try Recipe(yaml: "seed: 3\nbatch_size: 8\nsplit: 80,20", path: "r.yaml")
    let inFile = expectError(.badData, "r.yaml: line 2: batch_size: it does not fit") {
      try recipe.using("loss", "batch_size", "seed") { try fail() }
    }
    #expect(inFile?.hint == "Change 'batch_size'")
    expectError(.usage, "it does not fit. Change --batch-size") {
      try recipe.using("loss") { try fail() }
    }
    try recipe.set(options: ["seed": "4", "learning_rate": "0.5"])
    let ofOption = expectError(.usage, "--seed: it does not fit") {
      try recipe.using("batch_size", "seed") { try fail() }
    }
    #expect(ofOption?.places == ["--seed"])
    expectError(.usage, "--learning-rate: it does not fit") {
      try recipe.phases[1].using("learning_rate") { try fail() }
    }
    // A model that is missing has an exit code of its own.
    expectError(.noInput, "r.yaml: line 1: seed: no such file") {
      try Recipe(yaml: "seed: 3", path: "r.yaml").using("seed") {
        throw GraftError(.noInput, "no such file")
      }
    }
  }

  // MARK: - Resuming

  @Test(
    arguments: [
      (["seed": "9"], "--seed is '9', but was '1' when the run started. Omit it, or start another"),
      (["augment": "flip"], "--augment is 'flip', but was not set when"),
      (["optimizer": "sgd;adam"], "--optimizer is 'sgd' in phase 1, but was 'adam' when"),
      (["freeze": "block1"], "--freeze is 'block1' in phase 1, but was not set when"),
      (
        ["epochs": "30"],
        "--epochs has 1 phase, but the run has 2. Begin with the epochs of the run"
      ),
      (["epochs": "30"], "--epochs 30,5, and raise the last one or add more"),
      (["precision": "bf16"], "--precision is 'bf16', but was not set when"),
    ] as [([String: String], String)])
  func changesOfResumedRunsAreNamed(_ options: [String: String], part: String) throws {
    let changed = try changed(options)
    #expect(!Recipe().isBeginning(of: changed))
    expectError(.usage, part) { try Recipe().requireBeginning(of: changed) }
  }

  @Test func resumedRunsMayGrow() throws {
    for options in [
      ["epochs": "30,9"], ["epochs": "30,5,3"], ["precision": "fp32"], ["export_type": "float16"],
      ["fold_normalization": "true"], ["seed": "1"],
    ] {
      try Recipe().requireBeginning(of: changed(options))
    }
    expectError(.badData, "r.yaml: line 1: 'loss' is 'hinge', but was not set", "Omit --recipe") {
      try Recipe().requireBeginning(of: Recipe(yaml: "loss: hinge", path: "r.yaml"))
    }
    var old = Recipe()
    old.augment = "flip"
    expectError(.usage, "'augment' is not set, but was 'flip'") {
      try old.requireBeginning(of: Recipe(yaml: "seed: 1", path: "r.yaml"))
    }
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
      (["image_size": "999999"], "--image-size: invalid image size '999999'"),
      (["optimizer": "adm"], "--optimizer: unknown optimizer 'adm'. Did you mean"),
      (["class_weights": "cat"], "--class-weights: invalid value 'cat'. Use balanced, or NAME="),
      (["freeze": ""], "invalid value '' for '--freeze'. Use all, none, or names separated by"),
      (["unfreeze": "none;"], "invalid value '' for '--unfreeze'"),
      (["cached_augmentations": "3"], "--cached-augmentations: cached augmentations require an"),
      (["epochs": Array(repeating: "1", count: 101).joined(separator: ",")], "--epochs gives 101"),
      (["image_size": "999999"], "with sides from 1 to 65536"),
      (["crop": "0"], "invalid crop size"),
    ] as [([String: String], String)])
  func wrongOptionsAreNamed(_ options: [String: String], part: String) {
    expectError(.usage, part) { try changed(options) }
  }
}
