import GraftGraph
import GraftRuntime

/// A model ready for an ``Executable``: read from its file, or found in compiled form.
package struct LoadedModel: Sendable {
  /// Lowered already, if it was found in compiled form.
  package var graph: Graph
  package var compilation: Compilation?

  package init(_ graph: Graph, compilation: Compilation? = nil) {
    self.graph = graph
    self.compilation = compilation
  }

  /// How the first output comes about.
  var outputEnd: OutputEnd {
    graph.metadata[OutputEnd.metadataKey].flatMap(OutputEnd.init) ?? OutputEnd(of: graph)
  }

  package func executable(_ options: Executable.Options = .init()) throws -> Executable {
    try Executable(graph, options: options, compilation: compilation)
  }
}

/// What becomes of a batch size that a model was exported with.
package enum BatchRule: String, Sendable {
  /// It stays.
  case declared
  /// It is left open, unless the model takes no other than 1.
  case free
  /// It is left open in models that take images, unless it is 1.
  case freeForImages

  func apply(to graph: Graph) throws -> Graph {
    switch self {
    case .declared: return graph
    case .free: return try graph.forImageBatches().graph
    case .freeForImages:
      guard graph.inputs.count == 1,
        let shape = graph[graph.inputs[0]].type?.tensor?.shape, shape.count == 4,
        let batch = shape[0].known, batch != 1
      else { return graph }
      return try graph.withFreeBatch()
    }
  }
}
