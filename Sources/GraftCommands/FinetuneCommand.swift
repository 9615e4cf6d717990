import ArgumentParser
import Foundation
import Graft
import GraftData
import GraftRuntime
import GraftTraining

/// `graft finetune`: a new head on a trained trunk.
struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Put a new head on a trained network and train it on your pictures.",
    discussion: """
      DATA is a folder with one folder of pictures per class, a folder of pictures called CLASS.NUMBER.jpg,
      CIFAR-10 or CIFAR-100 (unpacked or as tar.gz), a CSV of paths and labels, or NPZ arrays.

      First the head is trained on what the frozen trunk makes of each picture, which is computed once; then what
      --unfreeze names is trained, too. The run is a folder: recipe.yaml, log.csv, log.jsonl, last.npz, and
      model.onnx, which `infer` and any other ONNX runtime take as it is.

      Examples:
        graft finetune pets/ --model vgg16 --image-size 64
        graft finetune pets/ --model squeezenet.onnx --epochs 20 --unfreeze none --learning-rate 1e-3
        graft finetune pets/ --recipe pets.yaml --output run2
        graft finetune pets/ --output run2 --resume
      """)

  @Argument(help: "The pictures and their classes.")
  var data: String

  @OptionGroup var recipeOptions: RecipeOptions

  @Option(name: .shortAndLong, help: "The folder of the run.")
  var output = "run"

  @Flag(help: "Go on with the run in the folder.")
  var resume = false

  @Option(help: "Unreadable pictures to put up with.")
  var maxBad = 100

  @Flag(help: "Compute the features of the frozen trunk in every epoch.")
  var noFeatureCache = false

  @Option(help: "Megabytes of features to hold in memory; more go to a file.")
  var featureMemory = 2048

  @OptionGroup var compute: ComputeOptions

  func run() throws {
    let recipe = try resume ? savedRecipe() : recipeOptions.makeRecipe()
    var options = FineTuningRun.Options()
    options.resumes = resume
    options.fineTuner.executable = compute.executableOptions
    options.fineTuner.keepsFeatures = !noFeatureCache
    options.fineTuner.featureMemoryLimit = featureMemory << 20
    let dataset = try LabelledPictures.open(data, maximumBad: maxBad, compute)
    let progress = TrainingProgress()
    let run = try FineTuningRun(
      recipe, dataset: dataset, folder: output, observers: [progress], options: options
    ) { Terminal.printError("note: \($0)") }
    print(
      "\(run.data.training.count) pictures to train on, \(run.data.validation.count) to validate, "
        + "\(run.data.test.count) to test; \(dataset.classNames.count) classes: "
        + dataset.classNames.prefix(10).joined(separator: ", "))
    let interruption = Interruption()
    run.fineTuner.isInterrupted = { interruption.isRequested }
    guard try run.run() else {
      print("Interrupted; everything up to this step is saved.")
      print("Continue: graft finetune \(data) --output \(output) --resume")
      throw ExitStatus(code: 130)
    }
    if let result = try run.testResult() {
      print(String(format: "test: loss %.4f, accuracy %.2f %%", result.loss, result.accuracy * 100))
    }
    print("\(run.modelPath): infer PICTURE --model \(run.modelPath)")
  }

  private func savedRecipe() throws -> Recipe {
    let path = FineTuningRun.recipePath(output)
    guard FileManager.default.fileExists(atPath: path) else {
      throw GraftError(
        .noInput, "holds no run to go on with", places: [output], hint: "Leave --resume out")
    }
    return try RecipeOptions.read(path)
  }
}
