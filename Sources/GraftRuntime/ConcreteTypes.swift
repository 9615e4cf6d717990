import GraftFiles
import GraftGraph
import GraftOperators

extension Graph {
  /// The types of all values for given input types, as far as they are known before running.
  ///
  /// Skips unknown operators.
  package func concreteTypes(inputs: [ValueID: ValueType]) throws -> [ValueID: ValueType] {
    var known = self
    known.nodes = nodes.filter { OperatorCatalog.type(of: $0) != nil }
    let operations = try known.nodes.map { node in
      try withPlace(known.label(node)) { try OperatorCatalog.make(node) }
    }
    var selection = Selection(
      graph: known, operations: operations, bodies: [:],
      inputs: inputs.map { PlanRequest.Input(id: $0.key, type: $0.value) })
    for (index, node) in known.nodes.enumerated() {
      let isReady = node.inputs.allSatisfy { $0 == nil || selection.types[$0!] != nil }
      guard isReady else { continue }
      try withPlace(known.label(node)) { try selection.add(index) }
    }
    return selection.types
  }
}
