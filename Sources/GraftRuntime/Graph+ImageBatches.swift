import GraftGraph
import GraftOperators
import GraftPasses

extension Graph {
  /// The graph for batches of images, and whether it only takes one image at a time.
  ///
  /// Exported networks often contain the batch of 1 from tracing, even if their input's batch is
  /// free: in targets of Reshape, or in constants that are concatenated with computed values. These
  /// are made to follow the batch. If that is not enough, the network keeps a batch of 1, and
  /// callers run it image by image.
  ///
  /// - Throws: `GraftError` if the graph takes neither one image nor several
  package func forImageBatches() throws -> (graph: Graph, takesOneImage: Bool) {
    let free: Graph
    do {
      free = try withFreeBatch()
    } catch {
      guard let one = withBatchOfOne(), one.takesBatch(of: 1) else { throw error }
      return (one, true)
    }
    // A graph that does not take a single image either has another error, which is reported later.
    guard !free.takesBatch(of: 2), let one = withBatchOfOne(), one.takesBatch(of: 1) else {
      return (free, false)
    }
    if let freed = try? one.withFreeBatch(), freed.takesBatch(of: 2) { return (freed, false) }
    return (one, true)
  }

  /// `nil` if the inputs have another batch, or none.
  private func withBatchOfOne() -> Graph? {
    var graph = self
    for id in inputs {
      guard var type = graph[id].type?.tensor, var shape = type.shape, let first = shape.first,
        first.known ?? 1 == 1
      else { return nil }
      shape[0] = .known(1)
      type.shape = shape
      graph[id].type = .tensor(type)
    }
    let given = Set(inputs).union(constants.keys).union(parameters.keys)
    for index in graph.values.indices where !given.contains(ValueID(index)) {
      graph.values[index].type = nil
    }
    return (try? graph.inferTypes()) == nil ? nil : graph
  }

  /// Whether shapes match for a number of images, and the outputs have a row for each.
  private func takesBatch(of count: Int) -> Bool {
    // Replaces unknown extents.
    let usualExtent = 224
    var types: [ValueID: ValueType] = [:]
    for id in inputs {
      guard var type = self[id].type?.tensor, let shape = type.shape, !shape.isEmpty else {
        return true
      }
      type.shape =
        [.known(count)] + shape.dropFirst().map { Dimension.known($0.known ?? usualExtent) }
      types[id] = .tensor(type)
    }
    guard let found = try? concreteTypes(inputs: types) else { return false }
    return outputs.allSatisfy { found[$0]?.tensor?.shape?.first?.known ?? count == count }
  }
}
