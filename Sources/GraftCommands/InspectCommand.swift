import ArgumentParser
import Graft
import GraftFiles
import GraftGraph

/// `graft inspect`: the structure of a model.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show a model's inputs, outputs, labels, layers, parameters and multiply-adds.",
    discussion: """
      Examples:
        graft inspect model.onnx
        graft inspect model.onnx --attributes
        graft inspect model.onnx --shape input=1,3,320,320
        graft inspect model.onnx --dot | dot -Tsvg > model.svg
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var model: String

  @Option(
    help: "NAME=1,3,224,224: the shape of an input with unknown extents. May be repeated.")
  var shape: [NamedShape] = []

  @Flag(help: "Also show the attributes of each layer. JSON always has them.")
  var attributes = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Print the graph in Graphviz's DOT language.")
  var dot = false

  func validate() throws {
    if json, dot { throw ValidationError("Use either --json or --dot, not both.") }
  }

  func run() throws {
    let (graph, outline) = try ModelLoader(remark: CommandLineProgram.note).outlined(model)
    if dot {
      try print(GraphvizWriter.text(graph))
      return
    }
    let shapes = try shape.byInput(of: graph)
    let summary = try withPlace(model) {
      try ModelSummary(graph, outline: outline, shapes: shapes, labels: labels(of: graph))
    }
    if outline == nil, graph.provenance.importedOpset > 0 {
      CommandLineProgram.note(
        "the model has functions; their layers are shown at each call")
    }
    try print(json ? try JSONText.encode(summary) : text(summary))
  }

  /// Invalid labels do not prevent showing the rest of a model.
  private func labels(of graph: Graph) throws -> Labels? {
    do {
      return try Labels(metadata: graph.metadata, classCount: nil)
    } catch let error as GraftError {
      CommandLineProgram.warn("\(error.at(model))")
      return nil
    }
  }

  private func text(_ summary: ModelSummary) -> String {
    var lines = [summary.name]
    if summary.opset > 0 {
      let producer = summary.producer.isEmpty ? "" : ", made by \(summary.producer)"
      lines[0] += " (ONNX opset \(summary.opset)\(producer))"
    }
    lines += summary.inputs.map { "input   \($0.name): \($0.type)" }
    let shown = 8
    lines += summary.optionalInputs.prefix(shown).map {
      "input   \($0.name): \($0.type) (optional: it has a default)"
    }
    if summary.optionalInputs.count > shown {
      lines.append("        and \(summary.optionalInputs.count - shown) more inputs with defaults")
    }
    lines += summary.outputs.map { "output  \($0.name): \($0.type)" }
    if let labels = summary.labels {
      let names = labels.lazy.map { Output.oneLine($0.isEmpty ? "–" : String($0.prefix(60))) }
      lines.append("labels  \(labels.count): \(names.listed(limit: 5))")
    }
    for (key, value) in summary.metadata.sorted(by: { $0.key < $1.key }) {
      lines.append("metadata  \(key): \(value.count > 60 ? value.prefix(57) + "…" : value[...])")
    }
    var rows = [["layer", "operator", "output", "parameters", "multiply-adds"]]
    rows += summary.layers.map { layer in
      [
        String(repeating: "  ", count: layer.depth) + layer.name, layer.type,
        layer.outputShapes.map { $0 ?? "?" }.joined(separator: " "),
        layer.parameters == 0 ? "" : grouped(layer.parameters),
        layer.multiplyAdds.map { $0 == 0 ? "" : grouped($0) } ?? "?",
      ]
    }
    let table = Terminal.table(rows, rightAligned: [3, 4], width: Terminal.tableWidth)
    lines += ["", attributes ? withAttributes(table, summary.layers) : table, ""]
    lines.append(
      "\(summary.layers.count) layers, \(grouped(summary.parameters)) parameters "
        + "(\(Terminal.bytes(summary.parameterBytes))), \(multiplyAdds(summary))")
    lines.append(
      "operators: \(summary.operators.map { "\($0.type) \($0.count)" }.listed(limit: 30))")
    if !summary.unsupportedOperators.isEmpty {
      lines.append("unsupported operators: \(summary.unsupportedOperators.listed(limit: 30))")
    }
    return lines.joined(separator: "\n")
  }

  private func multiplyAdds(_ summary: ModelSummary) -> String {
    if let known = summary.multiplyAdds { return "\(grouped(known)) multiply-adds" }
    return summary.knownMultiplyAdds == 0
      ? "unknown multiply-adds" : "at least \(grouped(summary.knownMultiplyAdds)) multiply-adds"
  }

  /// The table with each layer's attributes below its row.
  private func withAttributes(_ table: String, _ layers: [ModelSummary.Layer]) -> String {
    var lines = table.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for (index, layer) in layers.enumerated() where !layer.attributes.isEmpty {
      let text = layer.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        .joined(separator: "  ")
      let line = String(repeating: "  ", count: layer.depth + 2) + Output.oneLine(text)
      // The first line is the header.
      lines[index + 1] += "\n" + line
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
