import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// Computes only once what several nodes compute from equal inputs and attributes.
package enum CommonSubexpressionElimination: GraphPass {
  private struct Key: Hashable {
    let operatorType: ByteString
    let domain: ByteString
    let inputs: [ValueID?]
    let attributes: ByteString
    let wanted: [Bool]
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    var seen: [Key: Int] = [:]
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard let attributes = attributeKey(node),
        let operation = try? OperatorCatalog.make(node), operation.isDeterministic
      else { continue }
      let key = Key(
        operatorType: ByteString(node.operatorType), domain: ByteString(node.domain),
        inputs: node.inputs.map { $0.map { replacements[$0] ?? $0 } }, attributes: attributes,
        wanted: node.outputs.map { $0 != nil })
      guard let first = seen[key] else {
        seen[key] = index
        continue
      }
      for (old, new) in zip(node.outputs, graph.nodes[first].outputs) {
        if let old, let new { replacements[old] = new }
      }
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    graph.replaceUses(replacements)
    return !removed.isEmpty
  }

  /// The attributes as text; `nil` if there are attributes that are not compared (tensors, graphs).
  private static func attributeKey(_ node: Node) -> ByteString? {
    var parts: [String] = []
    for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
      switch attribute {
      case .int(let value): parts.append("\(name)=i\(value)")
      case .float(let value): parts.append("\(name)=f\(value.bitPattern)")
      case .string(let value): parts.append("\(name)=s\(value.utf8.count):\(value)")
      case .ints(let values): parts.append("\(name)=I\(values)")
      case .floats(let values): parts.append("\(name)=F\(values.map(\.bitPattern))")
      case .strings(let values): parts.append("\(name)=S\(values)")
      default: return nil
      }
    }
    return ByteString(parts.joined(separator: ";"))
  }
}
