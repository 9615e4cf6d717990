import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A graph in two parts: the frozen one, and the one that depends on trained values.
///
/// The first part runs as in inference; the values that cross the cut never change and can be
/// cached.
package struct TrainableCut: Sendable {
  /// From the graph's inputs to the values that cross. Without frozen nodes, the inputs cross.
  package let frozen: Graph
  /// From the values that cross to the graph's outputs.
  package private(set) var trainable: Graph

  /// - Parameter belongsAbove: selects nodes for the second part even if they depend on no
  ///   parameter
  /// - Throws: `GraftError` if nothing is trained, or a value other than a tensor of floats crosses
  package init(_ graph: Graph, belongsAbove: (Node) -> Bool) throws {
    var graph = graph
    try graph.inferTypes()
    var above = Set(graph.parameters.keys)
    var isAbove = [Bool](repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated() {
      isAbove[index] = belongsAbove(node) || node.reads.contains(where: above.contains)
      if isAbove[index] { above.formUnion(node.outputs.compactMap { $0 }) }
    }
    guard graph.outputs.allSatisfy(above.contains) else {
      throw GraftError.usage("the graph's outputs do not depend on anything that is trained")
    }
    let fixed = TrainableCut.valuesWithoutInputs(graph)
    var crossing: [ValueID] = []
    for (index, node) in graph.nodes.enumerated() where isAbove[index] {
      for input in node.reads
      where !above.contains(input) && !fixed.contains(input) && !crossing.contains(input) {
        crossing.append(input)
      }
    }
    for id in crossing {
      guard graph[id].type?.tensor?.elementType.isFloatingPoint == true else {
        throw GraftError.unsupported(
          "'\(graph[id].name)' would have to be cached for each image, but is not float",
          hint: "Freeze less, or cut the network elsewhere")
      }
    }
    var frozen = graph
    var trainable = graph
    frozen.nodes = zip(graph.nodes, isAbove).filter { !$1 }.map(\.0)
    frozen.outputs = crossing
    frozen.parameters = [:]
    // Nodes that depend on no input belong to both parts.
    trainable.nodes = zip(graph.nodes, isAbove).filter { node, isAbove in
      isAbove || node.outputs.allSatisfy { $0.map(fixed.contains) ?? true }
    }.map(\.0)
    trainable.inputs = crossing
    if Set(crossing).isSubset(of: graph.inputs) { frozen.nodes = [] }
    self.frozen = frozen
    self.trainable = trainable
  }

  /// The same cut of a graph with a batch of 1, whose second part takes any batch.
  ///
  /// - Throws: `GraftError` if the second part is invalid for other batch sizes
  package func withFreeTrainableBatch() throws -> TrainableCut {
    var cut = self
    cut.trainable = try trainable.withFreeBatch()
    return cut
  }

  /// Constants, and values computed only from them.
  private static func valuesWithoutInputs(_ graph: Graph) -> Set<ValueID> {
    var fixed = Set(graph.constants.keys)
    for node in graph.nodes
    where node.reads.allSatisfy(fixed.contains) {
      fixed.formUnion(node.outputs.compactMap { $0 })
    }
    return fixed
  }
}
