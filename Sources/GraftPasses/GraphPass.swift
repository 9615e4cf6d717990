import GraftGraph
import GraftTensor

/// A rewriting of a graph that preserves its results.
package protocol GraphPass: Sendable {
  /// Returns whether the graph changed.
  static func run(_ graph: inout Graph) throws -> Bool
}

extension Graph {
  /// Redirects every reader of `old` (nodes, bodies, outputs, updates) to `new`.
  mutating func replaceUses(of old: ValueID, with new: ValueID) {
    replaceUses([old: new])
  }

  /// Redirects every reader of a key to its value; chains are followed.
  mutating func replaceUses(_ replacements: [ValueID: ValueID]) {
    guard !replacements.isEmpty else { return }
    var known = replacements
    // The end of a chain is stored for each of its links, so that no chain is followed twice.
    func final(_ id: ValueID) -> ValueID {
      var end = id
      while let next = known[end] { end = next }
      var link = id
      while let next = known[link], next != end {
        known[link] = end
        link = next
      }
      return end
    }
    for index in nodes.indices {
      for position in nodes[index].inputs.indices {
        if let input = nodes[index].inputs[position] {
          nodes[index].inputs[position] = final(input)
        }
      }
      nodes[index].mapBodies { body in
        for (inner, outer) in body.captures { body.captures[inner] = final(outer) }
      }
    }
    for index in outputs.indices { outputs[index] = final(outputs[index]) }
    for index in updates.indices { updates[index].newValue = final(updates[index].newValue) }
  }

  /// Removes the nodes at these indices.
  mutating func removeNodes(at indices: Set<Int>) {
    guard !indices.isEmpty else { return }
    nodes = nodes.indices.lazy.filter { !indices.contains($0) }.map { nodes[$0] }
  }

  /// For each value, the indices of the nodes that read it.
  func consumers() -> [ValueID: [Int]] {
    var consumers: [ValueID: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for case let input? in node.inputs { consumers[input, default: []].append(index) }
      for body in node.bodies {
        for outer in body.captures.values { consumers[outer, default: []].append(index) }
      }
    }
    return consumers
  }

  /// The rank of a value, if known.
  func rank(_ id: ValueID?) -> Int? { id.flatMap { self[$0].type?.tensor?.shape?.count } }

  func elementType(_ id: ValueID?) -> ElementType? {
    id.flatMap { self[$0].type?.tensor?.elementType }
  }
}
