import Foundation
import GraftFiles
import GraftTraining
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
      let recipe = try Recipe(yaml: String(contentsOf: file, encoding: .utf8))
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
    let yaml = try recipe.yaml
    #expect(try Recipe(yaml: yaml) == recipe)
    if rate == 1e-5 { #expect(yaml.contains("learning_rate: 0.00001\n")) }
  }

  /// Who names what is frozen trains the rest.
  @Test func freezingMeansTrainingTheRest() throws {
    let phase = try Recipe(yaml: "phases: [{freeze: block1}]").phases[0]
    #expect(phase == Recipe.Phase(unfreeze: "all", freeze: "block1"))
    let both = try Recipe(yaml: "phases: [{freeze: block1, unfreeze: 'block1,block2'}]").phases[0]
    #expect(both == Recipe.Phase(unfreeze: "block1,block2", freeze: "block1"))
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
      ("bach_size: 3", "batch_size"), ("batch_size: many", "batch_size"),
      ("phases: []", "no phases"), ("phases: [{epoch: 3}]", "epochs"),
      ("batch_size: 0", "batch_size 0"), ("head: dense(4)", "dense(classes)"),
      ("head: 'gap,dens(4),dense(classes)'", "dens"), ("model: [1", "YAML"),
      ("phases: [{learning_rate: -1}]", "learning_rate"), ("[1, 2]", "recipe"),
      ("early_stopping: 0", "early_stopping"), ("accumulation_steps: 0", "accumulation_steps"),
      ("gradient_clipping: norms(1)", "global_norm"), ("gradient_clipping: norm(0)", "norm(0)"),
      ("gradient_clipping: norm", "norm(1)"), ("learning_rate_factors: block4", "block4"),
      ("learning_rate_factors: block4=x", "block4=x"),
    ])
  func mistakesAreNamed(_ yaml: String, part: String) {
    #expect {
      try Recipe(yaml: yaml)
    } throws: { error in
      (error as? GraftError)?.code == .badData && "\(error)".contains(part)
    }
  }
}
