import ArgumentParser
import Graft
import GraftRuntime

/// `graft inspect`: what a model is.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a model is: inputs, outputs, layers, parameters, multiply-adds.",
    discussion: """
      Examples:
        graft inspect model.onnx
        graft inspect model.onnx --shape input=1,3,320,320
        graft inspect model.onnx --dot | dot -Tsvg > model.svg
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var model: String

  @Option(
    help: "NAME=1,3,224,224: the shape of an input that the model leaves open. May be repeated.")
  var shape: [NamedShape] = []

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Print the graph in Graphviz's language.")
  var dot = false

  func validate() throws {
    if json, dot { throw ValidationError("Give either --json or --dot, not both.") }
  }

  func run() throws {
    let graph = try ModelLoader().graph(model)
    if dot {
      try print(GraphvizWriter.text(graph))
      return
    }
    let shapes = Dictionary(shape.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
    for name in shapes.keys where !graph.inputs.contains(where: { graph[$0].name == name }) {
      throw GraftError.usage("the model has no input '\(name)'")
    }
    let summary = try withPlace(model) { try ModelSummary(graph, shapes: shapes) }
    try print(json ? try JSONText.encode(summary) : text(summary))
  }

  private func text(_ summary: ModelSummary) -> String {
    var lines = [summary.name]
    if summary.opset > 0 {
      let producer = summary.producer.isEmpty ? "" : ", made by \(summary.producer)"
      lines[0] += " (ONNX opset \(summary.opset)\(producer))"
    }
    lines += summary.inputs.map { "input   \($0.name): \($0.type)" }
    lines += summary.outputs.map { "output  \($0.name): \($0.type)" }
    for (key, value) in summary.metadata.sorted(by: { $0.key < $1.key }) {
      lines.append("metadata  \(key): \(value.count > 60 ? value.prefix(57) + "…" : value[...])")
    }
    var rows = [["layer", "operator", "output", "parameters", "multiply-adds"]]
    rows += summary.layers.map { layer in
      [
        layer.name, layer.type, layer.outputShapes.map { $0 ?? "?" }.joined(separator: " "),
        layer.parameters == 0 ? "" : grouped(layer.parameters),
        layer.multiplyAdds == 0 ? "" : grouped(layer.multiplyAdds),
      ]
    }
    lines += ["", Terminal.table(rows, rightAligned: [3, 4]), ""]
    lines.append(
      "\(summary.layers.count) layers, \(grouped(summary.parameters)) parameters "
        + "(\(Terminal.bytes(summary.parameterBytes))), \(grouped(summary.multiplyAdds)) multiply-adds"
    )
    if !summary.unsupportedOperators.isEmpty {
      lines.append("unsupported operators: \(summary.unsupportedOperators.listed(limit: 30))")
    }
    return lines.joined(separator: "\n")
  }

  /// A number with its digits in groups of three.
  private func grouped(_ number: Int) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }
}
