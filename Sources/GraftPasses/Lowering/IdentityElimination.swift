import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// Removes nodes that pass their first input through unchanged: Identity, Dropout in inference,
/// a Cast to the same type, and what else says so.
package enum IdentityElimination: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    let counts = graph.useCounts()
    for (index, node) in graph.nodes.enumerated() {
      guard let input = node.inputs.first ?? nil,
        let output = node.outputs.first ?? nil,
        node.outputs.dropFirst().allSatisfy({ $0 == nil || counts[$0!] == nil }),
        let operation = try? OperatorCatalog.make(node),
        operation.isIdentity(graph.inferenceContext(of: node))
      else { continue }
      replacements[output] = input
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    graph.replaceUses(replacements)
    return !removed.isEmpty
  }
}
