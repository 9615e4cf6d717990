import Foundation
import GraftTraining
import TestSupport
import Testing

extension CommandsTests {
  /// The options of `graft finetune` and `graft train` that are settings of a recipe.
  @Suite struct RecipeOptionTests {
    private static let keys = (Recipe.settings.map(\.key) + Recipe.Phase.settings.map(\.key))
      .filter { !["from_scratch", "phases"].contains($0) }

    private static func option(_ key: String) -> String {
      "--" + key.replacingOccurrences(of: "_", with: "-")
    }

    @Test(arguments: keys) func everySettingHasAnOption(_ key: String) {
      let help = CommandRun("help finetune").output
      #expect(help.contains("  \(Self.option(key)) ") || help.contains("  \(Self.option(key))/"))
    }

    /// Settings that take any text are left out, and so are those of true and false.
    @Test(
      arguments: [
        "head", "image_size", "preprocess", "resize", "crop", "interpolation", "augment",
        "cached_augmentations", "split", "batch_size", "seed", "loss", "class_weights",
        "gradient_clipping", "accumulation_steps", "learning_rate_factors", "early_stopping",
        "precision", "export_type", "epochs", "learning_rate", "optimizer", "schedule",
      ])
    func everyOptionIsRead(_ key: String) {
      let run = CommandRun(["finetune", "nosuch", Self.option(key), "?"])
      #expect(run.status == 64 && run.errors.contains("'?'"), "\(run.transcript)")
    }

    /// The recipe that a run has after options changed a file.
    private func saved(_ words: [String], yaml: String = "model: cifar10\n") throws -> Recipe {
      let folder = try TemporaryFolder()
      defer { withExtendedLifetime(folder) {} }
      for (name, red) in [("red", 255), ("blue", 0)] as [(String, UInt8)] {
        for number in 1...4 {
          _ = try folder.write("data/\(name)/\(number).bmp", TestImage.bmp(red: red))
        }
      }
      let recipe = try folder.write("recipe.yaml", text: yaml)
      let run = CommandRun(
        ["finetune", "\(folder.path)/data", "--recipe", recipe, "--output", "\(folder.path)/run"]
          + ["--no-feature-cache", "--no-cache", "--epochs", "0"] + words)
      try #require(run.status == 0, "\(run.transcript)")
      return try Recipe(
        yaml: String(contentsOfFile: "\(folder.path)/run/recipe.yaml", encoding: .utf8))
    }

    @Test func flagsAndTextsAreRead() throws {
      let recipe = try saved([
        "--no-shuffle", "--ignore-orientation", "--fold-normalization", "--cut", "stage3_add",
        "--unfreeze", "all", "--freeze", "stage1", "--no-export-training-checkpoint", "--seed",
        "010",
      ])
      #expect(!recipe.shuffle && recipe.ignoreOrientation == true)
      #expect(recipe.foldNormalization == true && recipe.exportTrainingCheckpoint == false)
      #expect(recipe.cut == "stage3_add" && recipe.model == "cifar10" && recipe.seed == 10)
      #expect(recipe.phases.map(\.freeze) == ["stage1"])
    }
  }
}
