import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime

/// A model ready for an ``Executable``: read from its file, or from its cached compiled form.
package struct LoadedModel: Sendable {
  /// Already lowered if it comes from the cache.
  package var graph: Graph
  package var compilation: Compilation?

  package init(_ graph: Graph, compilation: Compilation? = nil) {
    self.graph = graph
    self.compilation = compilation
  }

  /// The computation of the first output.
  var outputEnd: OutputEnd {
    graph.metadata[OutputEnd.metadataKey].flatMap(OutputEnd.init) ?? OutputEnd(of: graph)
  }

  package func executable(_ options: Executable.Options = .init()) throws -> Executable {
    try Executable(
      graph, options: options, compiled: compilation?.found, writer: compilation?.writer)
  }
}

/// How to treat the batch size that a model was exported with.
package enum BatchRule: String, Sendable {
  /// Keeps it.
  case declared
  /// Makes it unknown, unless the model requires 1.
  case free
  /// Makes it unknown in image models, unless it is 1.
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
