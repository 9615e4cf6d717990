import GraftGraph

/// Writes a graph in Graphviz's DOT language.
///
/// Source: <https://graphviz.org/doc/info/lang.html>
enum GraphvizWriter {
  static func text(_ graph: Graph) -> String {
    var lines = ["digraph \(quoted(graph.name)) {", "  rankdir=TB;", "  node [shape=box];"]
    var sources: [ValueID: String] = [:]
    for (index, input) in graph.inputs.enumerated() {
      sources[input] = "input\(index)"
      let type = graph[input].type.map { "\n\($0)" } ?? ""
      lines.append("  input\(index) [label=\(quoted(graph[input].name + type)), shape=ellipse];")
    }
    for (index, node) in graph.nodes.enumerated() {
      let name = node.name.isEmpty ? "" : "\n\(node.name)"
      lines.append("  node\(index) [label=\(quoted(node.qualifiedType + name))];")
      for case let input? in node.inputs {
        guard let source = sources[input] else { continue }
        lines.append("  \(source) -> node\(index) [label=\(quoted(edgeLabel(input, graph)))];")
      }
      for case let output? in node.outputs { sources[output] = "node\(index)" }
    }
    for (index, output) in graph.outputs.enumerated() {
      lines.append("  output\(index) [label=\(quoted(graph[output].name)), shape=ellipse];")
      if let source = sources[output] { lines.append("  \(source) -> output\(index);") }
    }
    lines.append("}")
    return lines.joined(separator: "\n")
  }

  private static func edgeLabel(_ id: ValueID, _ graph: Graph) -> String {
    graph[id].type?.tensor?.shape.map { $0.map(\.description).joined(separator: "×") } ?? ""
  }

  private static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      .replacing("\n", with: "\\n")
    return "\"\(escaped)\""
  }
}
