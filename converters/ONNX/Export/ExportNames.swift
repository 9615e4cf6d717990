import GraftFiles
import GraftGraph

/// The names under which a graph's values are written: their own, made unique.
///
/// ONNX knows values by name only, and a body must not reuse a name of a graph around it.
struct ExportNames {
  private var names: [String]

  /// - Parameters:
  ///   - used: the names of the graphs around this one; those of this one are added
  ///   - outer: the names of the graph around this one, by value
  init(_ graph: Graph, outer: ExportNames?, used: inout Set<ByteString>) {
    names = [String](repeating: "", count: graph.values.count)
    for (id, outerID) in graph.captures {
      if let outer { names[id.index] = outer[outerID] }
    }
    // Inputs and outputs come first, since callers know their names. Unused values get no name.
    var order = graph.inputs + graph.defaultedInputs + graph.outputs
    order += graph.constants.keys.sorted() + graph.parameters.keys.sorted()
    for node in graph.nodes { order += node.outputs.compactMap { $0 } }
    for id in order where names[id.index].isEmpty {
      names[id.index] = Self.unique(graph[id].name, or: "value_\(id.index)", &used)
    }
  }

  subscript(_ id: ValueID) -> String { names[id.index] }

  /// The names that this graph added.
  func own(_ graph: Graph) -> [ByteString] {
    names.indices.filter { graph.captures[ValueID($0)] == nil && !names[$0].isEmpty }
      .map { ByteString(names[$0]) }
  }

  static func unique(_ name: String, or fallback: String, _ used: inout Set<ByteString>) -> String {
    let name = name.isEmpty ? fallback : name
    var candidate = name
    var number = 2
    while !used.insert(ByteString(candidate)).inserted {
      candidate = "\(name)_\(number)"
      number += 1
    }
    return candidate
  }
}
