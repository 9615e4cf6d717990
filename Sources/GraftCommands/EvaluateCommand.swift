import ArgumentParser
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// `graft evaluate`: the accuracy of a classifier on labelled images.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a classifier on labelled images.",
    discussion: """
      DATA has any form that `graft finetune` accepts. Its own test part is used, or else \
      its validation part, or else all images; --part overrides that. For \
      the model.onnx of a run, --part refers to the parts of that run.

      Examples:
        graft evaluate run/model.onnx pets/
        graft evaluate run/model.onnx cifar-10-binary.tar.gz --json
      """)

  @Argument(help: "A name from `graft models list`, an ONNX file, or Keras weights.")
  var model: String

  @Argument(help: "The images and their classes.")
  var data: String

  @Option(
    help: "The images to use (default: test if there is one, else validation, else all)."
  )
  var part: Part?

  enum Part: String, CaseIterable, ExpressibleByArgument {
    case training, validation, test, all

    init(_ part: SplitFile.Part) {
      switch part {
      case .training: self = .training
      case .validation: self = .validation
      case .test: self = .test
      }
    }

    func items(of dataset: ImageDataset) -> [ImageDataset.Item] {
      switch self {
      case .training: dataset.items
      case .validation: dataset.validationItems
      case .test: dataset.testItems
      case .all: dataset.items + dataset.validationItems + dataset.testItems
      }
    }
  }

  @OptionGroup var image: ImageOptions

  @Option(help: "Images per batch.")
  var batchSize = 32

  @Option(help: "The number of unreadable images to tolerate.")
  var maxBad = 100

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var settings: RunOptions

  func validate() throws {
    guard (1...65536).contains(batchSize) else {
      throw ValidationError("--batch-size must be 1 to 65536.")
    }
    guard maxBad >= 0 else { throw ValidationError("--max-bad must be at least 0.") }
  }

  func run() throws {
    let dataset = try LabelledImages.open(
      data, for: .evaluation, maximumBad: maxBad, settings.compute)
    let part =
      part ?? [.test, .validation].first { !$0.items(of: dataset).isEmpty } ?? .all
    let items = try items(of: dataset, part)
    guard !items.isEmpty else {
      throw GraftError.usage(
        "\(data) has no images for \(part.rawValue)", hint: "Omit --part")
    }
    let executable = settings.executableOptions
    let loaded = try ModelLoader(remark: CommandLineProgram.note).load(
      model, batch: .free, cache: settings.compute.cache, options: executable)
    var options = try image.classifierOptions()
    options.executable = executable
    let classifier = try withPlace(model) { try Classifier(loaded, options: options) }
    for remark in classifier.remarks { CommandLineProgram.note("\(remark)") }
    if classifier.takesOneImage, batchSize > 1 {
      CommandLineProgram.note("the model takes one image at a time")
    }
    let result = try classifier.evaluate(
      items, classNames: dataset.classNames, batchSize: batchSize)
    if result.unanswered > 0 {
      CommandLineProgram.warn(
        "for \(result.unanswered) of \(result.count) images the answer is not a number (NaN)")
    }
    try print(json ? try JSONText.encode(result) : EvaluateCommand.text(result, part))
  }

  /// The images of a part: that of the model's own run if it was requested, else that of the data.
  private func items(
    of dataset: ImageDataset, _ part: Part
  ) throws -> [ImageDataset.Item] {
    let own = part.items(of: dataset)
    guard let split = try SplitFile.ofRun(model: model) else { return own }
    let isRequested = self.part != nil && part != .all
    let candidates = isRequested ? Part.all.items(of: dataset) : own
    let parts = try split.parts(of: candidates, threadCount: settings.compute.threadCount)
      .map { $0.map(Part.init) }
    guard parts.contains(where: { $0 != nil }) else { return own }
    if isRequested { return zip(candidates, parts).filter { $1 == part }.map(\.0) }
    let trainedCount = parts.count { $0 == .training }
    if trainedCount > 0 {
      CommandLineProgram.note(
        "the model was trained on \(trainedCount) of these \(own.count) images; "
          + "--part validation and --part test select images that it was not trained on")
    }
    return own
  }

  /// The metrics over all images, on one line.
  static func summary(_ result: EvaluationResult) -> String {
    // The mean over no images and the area of a single class are not numbers.
    func figure(_ value: Double) -> String { value.isNaN ? "–" : String(printf: "%.4f", value) }
    return String(printf: "accuracy %.2f %%", result.accuracy * 100)
      + "  loss \(figure(result.loss))"
      + String(
        printf: "  precision %.4f  recall %.4f  F1 %.4f", result.precision, result.recall, result.f1
      )
      + "  AUC \(figure(result.auc))"
      + (result.top5Accuracy.map { String(printf: "  top 5 %.2f %%", $0 * 100) } ?? "")
      + (result.inDistributionShare.map {
        String(printf: "  in distribution %.2f %%", $0 * 100)
      } ?? "")
  }

  static func text(_ result: EvaluationResult, _ part: Part) -> String {
    let kind = part == .all ? "" : "\(part.rawValue) "
    let images = result.count == 1 ? "image" : "images"
    var lines = ["\(result.count) \(kind)\(images)  " + summary(result)]
    let shown = result.classes.count <= 20
    guard shown else { return lines[0] }
    lines.append("")
    let header = ["true \\ predicted"] + result.classes
    let rows = zip(result.classes, result.confusionMatrix).map { name, row in
      [name] + row.map(String.init)
    }
    lines.append(
      Terminal.table([header] + rows, rightAligned: Set(1...result.classes.count)))
    return lines.joined(separator: "\n")
  }
}
