import FoundationEssentials
import GraftData
import GraftFiles
import GraftGraph
import GraftTensor
import GraftTraining
import GraftVision

/// A self-contained page about a run: curves, results, the most confident mistakes, trained
/// weights, and the recipe.
struct RunReport {
  let recipe: Recipe
  let history: [EpochRecord]
  let model: TransferModel
  let data: DatasetSplit
  /// The epoch of the model's weights; `nil` if nothing was trained.
  let exportedEpoch: EpochRecord?
  /// Notes for the user about the result.
  let notes: [String]
  /// The images of the result, "test" or "validation"; `nil` if there are no such images.
  let evaluated: (part: String, items: [ImageDataset.Item], result: EvaluationResult)?

  private static let mistakeCount = 12
  /// Larger files are not embedded in the page.
  private static let imageLimit = 400 << 10

  func html() throws -> String {
    var sections = [
      "<h2>Learning curves</h2>\n\(CurveDrawing.svg(history))", epochs,
    ]
    if let evaluated {
      sections.append(results(evaluated.part, evaluated.result))
      sections.append(mistakes(evaluated.items, evaluated.result))
    }
    sections.append(try layers())
    sections.append("<h2>Recipe</h2>\n<pre>\(escape(recipe.yaml))</pre>")
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>Graft: \(escape(name))</title>
      <style>
      body { font: 15px/1.5 sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; \
      padding: 0 1rem }
      table { border-collapse: collapse; margin: 1rem 0 }
      td, th { border: 1px solid #ddd; padding: .2rem .6rem; text-align: right }
      th:first-child, td:first-child { text-align: left }
      td.right { background: #e3f2e3 } td.wrong { background: #f8e3dc }
      .mistakes { display: flex; flex-wrap: wrap; gap: 1rem }
      figure { margin: 0; width: 9rem; font-size: 13px }
      figure img { width: 9rem; height: 9rem; object-fit: contain; background: #f3f3f3 }
      pre { background: #f6f6f6; padding: 1rem; overflow-x: auto }
      svg { width: 100% }
      </style>
      </head>
      <body>
      <h1>\(escape(name)), \(data.classNames.count) classes</h1>
      <p>\(data.training.count) training images, \(data.validation.count) validation, \
      \(data.test.count) test. \(summary) \(origin)</p>
      \(notes.map { "<p><strong>Note:</strong> \(escape($0)).</p>\n" }.joined())\
      \(sections.joined(separator: "\n"))
      </body>
      </html>

      """
  }

  private var name: String {
    FilePath.name(of: recipe.model)
  }

  private var summary: String {
    guard let evaluated else { return "" }
    return "On the \(evaluated.part) images: "
      + String(
        printf: "accuracy %.2f %%, loss %.4f.", evaluated.result.accuracy * 100,
        evaluated.result.loss)
  }

  /// The origin of the model's weights.
  private var origin: String {
    guard let exportedEpoch else { return "Nothing was trained." }
    return """
      model.onnx has the weights after epoch \(exportedEpoch.epoch) of phase \
      \(exportedEpoch.phase), \
      \(data.validation.isEmpty
          ? "the last one." : "with the smallest validation loss.")
      """
  }

  private var epochs: String {
    let rows = history.map { record -> [String] in
      func number(_ value: Double?, _ format: String) -> String {
        value.map { String(printf: format, $0) } ?? "–"
      }
      return [
        "\(record.phase).\(record.epoch)", number(record.loss, "%.4f"),
        number(record.accuracy * 100, "%.2f %%"), number(record.validationLoss, "%.4f"),
        number(record.validationAccuracy.map { $0 * 100 }, "%.2f %%"),
        String(printf: "%.3g", record.learningRate), number(record.seconds, "%.2f s"),
        number(record.imagesPerSecond, "%.0f"),
      ]
    }
    let table = table(
      [
        "phase.epoch", "loss", "accuracy", "validation loss", "validation accuracy",
        "learning rate", "time", "images/s",
      ], rows)
    return "<details><summary>All epochs</summary>\(table)</details>"
  }

  private func results(_ part: String, _ result: EvaluationResult) -> String {
    let measures = measures(part, result)
    guard result.classes.count <= 50 else { return measures }
    let header = ["true \\ predicted"] + result.classes
    var rows = "<tr>" + header.map { "<th>\(escape($0))</th>" }.joined() + "</tr>"
    for (label, row) in result.confusionMatrix.enumerated() {
      rows += "<tr><th>\(escape(result.classes[label]))</th>"
      for (predicted, count) in row.enumerated() {
        let kind = count == 0 ? "" : predicted == label ? " class=\"right\"" : " class=\"wrong\""
        rows += "<td\(kind)>\(count)</td>"
      }
      rows += "</tr>"
    }
    return "\(measures)\n<h2>Confusion matrix (\(part))</h2>\n<table>\(rows)</table>"
  }

  /// Precision, recall and F1 of each class, and their means.
  private func measures(_ part: String, _ result: EvaluationResult) -> String {
    func number(_ value: Double) -> String {
      value.isNaN ? "–" : String(printf: "%.4f", value)
    }
    var rows = zip(result.classes, result.classMetrics).map { name, metrics in
      [name, number(metrics.precision), number(metrics.recall), number(metrics.f1)]
        + ["\(metrics.count)"]
    }
    rows.append([
      "mean", number(result.precision), number(result.recall), number(result.f1),
      "\(result.count)",
    ])
    var text = "Area under the ROC curve: \(number(result.auc))."
    if let accuracy = result.top5Accuracy {
      text += String(printf: " Right class among the top five: %.2f %%.", accuracy * 100)
    }
    return "<h2>Classes (\(part))</h2>\n<p>\(text)</p>\n"
      + table(["class", "precision", "recall", "F1", "images"], rows)
  }

  private func mistakes(_ items: [ImageDataset.Item], _ result: EvaluationResult) -> String {
    let wrong = result.predictions.enumerated().compactMap { index, answer in
      answer.label.flatMap { label in
        label == items[index].label ? nil : (index, label, answer.probability)
      }
    }
    .sorted { ($1.2, $0.0) < ($0.2, $1.0) }
    guard !wrong.isEmpty else { return "" }
    let figures = wrong.prefix(RunReport.mistakeCount).map { index, predicted, probability in
      let item = items[index]
      let name = FilePath.name(of: item.image.place)
      let source = imageSource(item)
      let image =
        source.map { "<img src=\"\($0)\" alt=\"\(escape(name))\">" } ?? "<i>no preview</i>"
      return """
        <figure>\(image)<figcaption>\(escape(data.classNames[item.label])), predicted as \
        \(escape(data.classNames[predicted])) \
        (\(String(printf: "%.1f %%", probability * 100)))<br>\(escape(name))</figcaption></figure>
        """
    }
    return """
      <h2>The most confident mistakes</h2>
      <div class="mistakes">
      \(figures.joined(separator: "\n"))
      </div>
      """
  }

  /// The image as a data URL: files unchanged, others as BMP.
  private func imageSource(_ item: ImageDataset.Item) -> String? {
    if case .file(let path) = item.image,
      let bytes = try? InputFile.read(path, byteLimit: RunReport.imageLimit),
      let type = RunReport.mediaType(bytes)
    {
      return "data:\(type);base64,\(Data(bytes).base64EncodedString())"
    }
    guard let image = try? item.image(), image.width * image.height <= 1 << 16 else { return nil }
    return "data:image/bmp;base64,\(Data(image.bitmapFile).base64EncodedString())"
  }

  private static func mediaType(_ bytes: [UInt8]) -> String? {
    if bytes.starts(with: [0xff, 0xd8]) { return "image/jpeg" }
    if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) { return "image/png" }
    if bytes.starts(with: Array("RIFF".utf8)) { return "image/webp" }
    return nil
  }

  private func layers() throws -> String {
    var trainedIn: [ValueID: [String]] = [:]
    for (index, phase) in recipe.phases.enumerated() {
      for id in try phase.selection.weights(of: model) {
        trainedIn[id, default: []].append("\(index + 1)")
      }
    }
    let rows = model.weights.compactMap { id -> [String]? in
      guard let tensor = model.graph.constants[id] else { return nil }
      return [
        model.graph[id].name, "\(tensor.shape)", "\(tensor.elementCount)",
        trainedIn[id]?.joined(separator: ", ") ?? "frozen",
      ]
    }
    return "<h2>Weights</h2>\n" + table(["name", "shape", "elements", "trained in phase"], rows)
  }

  private func table(_ header: [String], _ rows: [[String]]) -> String {
    let head = "<tr>" + header.map { "<th>\(escape($0))</th>" }.joined() + "</tr>"
    let body = rows.map { "<tr>" + $0.map { "<td>\(escape($0))</td>" }.joined() + "</tr>" }
    return "<table>\n\(([head] + body).joined(separator: "\n"))\n</table>"
  }

  private func escape(_ text: String) -> String {
    text.replacing(["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"])
  }
}

extension Image {
  /// The image as an uncompressed BMP file with 24 bits per pixel.
  fileprivate var bitmapFile: [UInt8] {
    let rowSize = (width * 3 + 3) & ~3
    func bytes(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var file = Array("BM".utf8) + bytes(54 + rowSize * height, 4) + bytes(0, 4) + bytes(54, 4)
    file += bytes(40, 4) + bytes(width, 4) + bytes(height, 4) + bytes(1, 2) + bytes(24, 2)
    file += bytes(0, 4) + bytes(rowSize * height, 4) + bytes(2835, 4) + bytes(2835, 4)
    file += bytes(0, 8)
    let samples = samples
    for row in (0..<height).reversed() {
      for column in 0..<width {
        let place = (row * width + column) * channelCount
        for channel in (0..<3).reversed() {
          file.append(samples[place + min(channel, channelCount - 1)])
        }
      }
      file += [UInt8](repeating: 0, count: rowSize - width * 3)
    }
    return file
  }
}
