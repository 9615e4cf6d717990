// Puts a new head on a trained network, trains it, and tries the result.
//
//   fine-tuning-example MODEL IMAGES RUN [PHOTO …]
//
// IMAGES is a folder with a folder of images for each class. RUN is a new folder for the results.
import Glibc
import Graft

/// Ends training when enough images of the validation set are recognized.
final class StopAtAccuracy: TrainingCallback {
  private let accuracy: Double

  init(_ accuracy: Double) { self.accuracy = accuracy }

  func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision {
    let found = epoch.validationAccuracy ?? epoch.accuracy
    print("phase \(epoch.phase), epoch \(epoch.epoch): loss \(epoch.loss), accuracy \(found)")
    return found >= accuracy ? .stop : .continue
  }
}

func main(_ arguments: [String]) throws {
  guard arguments.count >= 4 else {
    print("usage: \(arguments.first ?? "") MODEL IMAGES RUN [PHOTO …]")
    return
  }
  let (model, images, run) = (arguments[1], arguments[2], arguments[3])
  var recipe = FineTuningRecipe(model: model)
  recipe.imageSize = "32"
  // For a trunk that ends with pooled features; for one that ends with maps, begin with gap.
  recipe.head = "dropout(0.2),dense(classes)"
  recipe.batchSize = 16
  // The trunk is frozen: only the head is trained.
  recipe.phases = [.init(unfreeze: "none", epochs: 5, learningRate: 1e-2)]

  let fineTuning = try FineTuning(recipe, data: images, output: run)
  if try !fineTuning.fit(callbacks: [StopAtAccuracy(1)]) {
    print("stopped; going on to the end")
    let fineTuning = try FineTuning(recipe, data: images, output: run, resumes: true)
    try fineTuning.fit()
  }

  let classifier = try ImageClassifier(model: fineTuning.modelPath)
  let evaluation = try classifier.evaluate(data: images)
  print("\(evaluation.count) images, accuracy \(evaluation.accuracy)")
  for photo in arguments.dropFirst(4) {
    for prediction in try classifier.predictions(forImageAt: photo) {
      print(prediction.label ?? "class \(prediction.index)", prediction.probability)
    }
  }
}

do {
  try main(CommandLine.arguments)
} catch {
  print("error: \(error)")
  exit(1)
}
