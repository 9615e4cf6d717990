// Grafts a new head on a trained network and tries the result.
//
//   fine-tuning-example MODEL IMAGES RUN [IMAGE]
//
// IMAGES is a folder with a folder of images for each class; RUN is a new folder that keeps everything.
import Glibc
import Graft

/// Ends training when enough images of the validation set are recognized.
final class StopAtAccuracy: TrainingCallback {
  private let accuracy: Double

  init(_ accuracy: Double) { self.accuracy = accuracy }

  func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision {
    let found = epoch.validationAccuracy ?? epoch.accuracy
    print("phase \(epoch.phase), epoch \(epoch.epoch): loss \(epoch.loss), accuracy \(found)")
    return found >= accuracy ? .stop : .goOn
  }
}

func main(_ arguments: [String]) throws {
  guard arguments.count >= 4 else {
    print("usage: \(arguments.first ?? "") MODEL IMAGES RUN [IMAGE]")
    return
  }
  var recipe = FineTuningRecipe(model: arguments[1])
  recipe.imageSize = "32"
  // Behind pooled features; for a trunk that ends with maps, such as VGG16's, begin with gap.
  recipe.head = "dropout(0.2),dense(classes)"
  recipe.batchSize = 16
  // The trunk is frozen: only the head is trained.
  recipe.phases = [.init(unfreeze: "none", epochs: 5, learningRate: 1e-2)]

  let fineTuning = try FineTuning(recipe, data: arguments[2], output: arguments[3])
  if try !fineTuning.fit(callbacks: [StopAtAccuracy(1)]) {
    print("stopped; going on to the end")
    try FineTuning(recipe, data: arguments[2], output: arguments[3], resumes: true).fit()
  }

  let classifier = try ImageClassifier(model: fineTuning.modelPath)
  let evaluation = try classifier.evaluate(data: arguments[2])
  print("\(evaluation.count) images, accuracy \(evaluation.accuracy)")
  if arguments.count > 4 {
    for prediction in try classifier.predictions(forImageAt: arguments[4]) {
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
