import GraftTensor
import GraftGraph

/// Removes nodes that pass their first input through unchanged: Identity, Dropout at inference, a
/// Cast to the same type, a Transpose in the same order, a Pad by nothing, a Sum of one input.
package enum IdentityElimination: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    let counts = graph.useCounts()
    for (index, node) in graph.nodes.enumerated() {
      guard node.domain.isEmpty, let input = node.inputs.first ?? nil,
        let output = node.outputs.first ?? nil,
        node.outputs.dropFirst().allSatisfy({ $0 == nil || counts[$0!] == nil }),
        isIdentity(node, input: input, in: graph)
      else { continue }
      replacements[output] = input
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    graph.replaceUses(replacements)
    return !removed.isEmpty
  }

  private static func isIdentity(_ node: Node, input: ValueID, in graph: Graph) -> Bool {
    let attributes = AttributeReader(node.attributes)
    switch node.operatorType {
    case "Identity":
      return true
    case "Dropout":
      guard node.inputs.count > 2, let training = node.inputs[2] else { return true }
      guard let flag = try? graph.constants[training]?.elements(as: Bool.self) else { return false }
      return flag == [false]
    case "Cast":
      guard let from = graph.elementType(input),
        let to = try? attributes.elementType("to")
      else { return false }
      return from == to && graph[input].type != nil
    case "Transpose":
      guard let permutation = try? attributes.ints("perm") else { return graph.rank(input) == 1 }
      return permutation == Array(permutation.indices)
    case "Pad":
      guard node.inputs.count > 1, let pads = node.inputs[1],
        let amounts = try? graph.constants[pads]?.integers()
      else { return false }
      return amounts.allSatisfy { $0 == 0 }
    case "Sum", "Mean", "Max", "Min", "Concat":
      return node.inputs.count == 1
    default:
      return false
    }
  }
}
