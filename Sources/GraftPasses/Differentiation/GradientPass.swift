import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Appends the nodes that compute the gradient of a loss to a graph.
///
/// Works on canonical operators, before lowering. Builds only what the targets need: no gradient
/// flows into nodes that do not depend on a target.
package enum GradientPass {
  /// - Parameters:
  ///   - loss: a scalar
  ///   - targets: the values to differentiate by, usually parameters
  /// - Returns: the gradient of each target that the loss depends on
  /// - Throws: `GraftError` naming the node, if an operator on the way has no gradient
  package static func append(
    to graph: inout Graph, loss: ValueID, targets: [ValueID]
  ) throws -> [ValueID: ValueID] {
    _ = try GradientExpansion.run(&graph)
    try graph.inferTypes()
    guard let type = graph[loss].type?.tensor, type.elementType.isFloatingPoint else {
      throw GraftError.usage("the loss '\(graph[loss].name)' is not a floating-point tensor")
    }
    if let count = type.shape?.knownShape?.elementCount, count != 1 {
      throw GraftError.usage("the loss '\(graph[loss].name)' has \(count) elements; expected one")
    }

    guard valuesDependent(on: targets, in: graph).contains(loss) else { return [:] }
    let seed = try lossGradient(loss, type.elementType, &graph)
    return try append(to: &graph, seeds: [(loss, seed)], targets: targets)
  }

  /// Appends the nodes that carry gradients from some values back to the targets.
  ///
  /// - Parameter seeds: values and their gradients
  /// - Returns: the gradient of each target that the values depend on
  static func append(
    to graph: inout Graph, seeds: [(value: ValueID, gradient: ValueID)], targets: [ValueID]
  ) throws -> [ValueID: ValueID] {
    let dependent = valuesDependent(on: targets, in: graph)
    var gradients = Gradients()
    for seed in seeds where dependent.contains(seed.value) {
      gradients.add(seed.gradient, to: seed.value)
    }
    for index in graph.nodes.indices.reversed() {
      let node = graph.nodes[index]
      let captured = node.bodies.flatMap(\.captures.values).filter(dependent.contains)
      let needed = node.inputs.map { $0.map(dependent.contains) ?? false }
      guard needed.contains(true) || !captured.isEmpty else { continue }
      let outputGradients = node.outputs.map { output in
        output.flatMap { gradients.total(of: $0, in: &graph) }
      }
      guard outputGradients.contains(where: { $0 != nil }) else { continue }
      if !node.bodies.isEmpty {
        let found = try withPlace(graph.label(node)) {
          try ControlGradients.append(
            to: &graph, nodeAt: index, outputGradients, needed: dependent)
        }
        for (value, gradient) in found where dependent.contains(value) {
          gradients.add(gradient, to: value)
        }
        continue
      }
      let inputGradients = try differentiate(node, outputGradients, needed, &graph)
      for (input, gradient) in zip(node.inputs, inputGradients) {
        guard let input, let gradient, dependent.contains(input) else { continue }
        gradients.add(gradient, to: input)
      }
    }
    var result: [ValueID: ValueID] = [:]
    for target in targets { result[target] = gradients.total(of: target, in: &graph) }
    try graph.inferTypes()
    return result
  }

  /// The gradients that arrive at each value, summed on demand.
  private struct Gradients {
    private var parts: [ValueID: [ValueID]] = [:]

    mutating func add(_ gradient: ValueID, to value: ValueID) {
      parts[value, default: []].append(gradient)
    }

    mutating func total(of value: ValueID, in graph: inout Graph) -> ValueID? {
      guard let found = parts[value], let first = found.first else { return nil }
      guard found.count > 1 else { return first }
      let isSequence = graph[value].type?.sequenceElement != nil
      let sum = graph.addNode(
        isSequence ? SequenceSum.schema.name : Sum.schema.name,
        domain: isSequence ? SequenceSum.schema.domain : "", found,
        outputName: "gradient_of_\(graph[value].name)")
      parts[value] = [sum]
      return sum
    }
  }

  private static func valuesDependent(on targets: [ValueID], in graph: Graph) -> Set<ValueID> {
    var dependent = Set(targets)
    for node in graph.nodes
    where node.reads.contains(where: dependent.contains) {
      for case let output? in node.outputs { dependent.insert(output) }
    }
    return dependent
  }

  /// Ones of the loss's shape.
  private static func lossGradient(
    _ loss: ValueID, _ elementType: ElementType, _ graph: inout Graph
  ) throws -> ValueID {
    let shape = graph.addNode("Shape", [loss])
    let one = try Tensor(doubles: [1], as: elementType, shape: [1])
    return graph.addNode(
      "ConstantOfShape", [shape], attributes: ["value": .tensor(one)],
      outputName: "gradient_of_\(graph[loss].name)")
  }

  private static func differentiate(
    _ node: Node, _ outputGradients: [ValueID?], _ needed: [Bool], _ graph: inout Graph
  ) throws -> [ValueID?] {
    let label = graph.label(node)
    return try withPlace(label) {
      let operation = try OperatorCatalog.make(node)
      if type(of: operation).isSpelledOut {
        return try differentiateSpelledOut(operation, node, outputGradients, needed, &graph)
      }
      // The builder takes ownership of the graph, so that appending does not copy it.
      var taken = Graph()
      swap(&taken, &graph)
      var builder = GradientBuilder(
        graph: taken, node: node, outputGradients: outputGradients, neededInputs: needed)
      taken = Graph()
      defer { graph = builder.takeGraph() }
      try operation.gradient(&builder)
      return builder.inputGradients
    }
  }

  /// Appends the nodes that an operator is made of, and their gradients.
  ///
  /// - Returns: the gradients of the inputs
  private static func differentiateSpelledOut(
    _ operation: any Operator, _ node: Node, _ outputGradients: [ValueID?], _ needed: [Bool],
    _ graph: inout Graph
  ) throws -> [ValueID?] {
    // No gradient goes on into nodes before these.
    let before = graph.nodes
    graph.nodes = []
    defer { graph.nodes = before + graph.nodes }
    let outputs = try operation.spellOut(node, in: &graph)
    try graph.inferTypes()
    var seeds: [(value: ValueID, gradient: ValueID)] = []
    for case (let output?, let gradient?) in zip(outputs, outputGradients) {
      seeds.append((output, gradient))
    }
    // An input given twice gets its whole gradient once.
    var targets: [ValueID] = []
    var places: [Int] = []
    for (place, input) in node.inputs.enumerated() {
      guard let input, needed[place], !targets.contains(input) else { continue }
      targets.append(input)
      places.append(place)
    }
    let found = try append(to: &graph, seeds: seeds, targets: targets)
    var gradients = [ValueID?](repeating: nil, count: node.inputs.count)
    for (place, target) in zip(places, targets) { gradients[place] = found[target] }
    return gradients
  }
}
