import GraftFiles
import GraftGraph
import GraftTensor

extension Graph {
  /// Checks that the graph is well formed: every value has one definition before its readers,
  /// references are valid, and nodes of known operators have the right numbers of inputs and
  /// outputs and readable attributes. Bodies are checked too.
  ///
  /// - Throws: `GraftError` naming the node or value
  package func validate() throws {
    guard captures.isEmpty else {
      throw GraftError.badData("the graph captures values, but has no enclosing graph")
    }
    var validator = GraphValidator(graph: self)
    try validator.validate()
  }
}

/// The checks of one graph; values defined so far are marked.
private struct GraphValidator {
  let graph: Graph
  private var isDefined: [Bool]

  init(graph: Graph) {
    self.graph = graph
    self.isDefined = [Bool](repeating: false, count: graph.values.count)
  }

  mutating func validate() throws {
    for id in graph.inputs { try define(id, "input") }
    for id in graph.captures.keys.sorted() { try define(id, "capture") }
    try define(graph.constants, "constant")
    try define(graph.parameters, "parameter")
    for id in graph.defaultedInputs where graph.constants[id] == nil {
      throw GraftError.badData("input \(name(id)) with a default is not a constant")
    }
    for node in graph.nodes {
      try withPlace(label(node)) { try validate(node) }
    }
    for id in graph.outputs { try requireDefined(id, "the graph's output") }
    try validateUpdates()
  }

  private mutating func validate(_ node: Node) throws {
    for case let input? in node.inputs { try requireDefined(input, "input") }
    for body in node.bodies {
      for outer in body.captures.values { try requireDefined(outer, "captured value") }
      try withPlace("graph '\(body.name)'") {
        var validator = GraphValidator(graph: body)
        try validator.validate()
      }
    }
    for case let output? in node.outputs { try define(output, "output") }
    if OperatorCatalog.type(of: node) != nil { _ = try OperatorCatalog.make(node) }
  }

  private mutating func define(_ tensors: [ValueID: Tensor], _ what: String) throws {
    for (id, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      try define(id, what)
      guard let type = graph[id].type?.tensor else { continue }
      guard type.elementType == tensor.elementType,
        type.shape == nil || type.shape == [Dimension](tensor.shape)
      else {
        throw GraftError.badData(
          "\(what) \(name(id)) is declared as \(type) but is \(tensor.elementType)\(tensor.shape)")
      }
    }
  }

  private func validateUpdates() throws {
    var updated: Set<ValueID> = []
    for update in graph.updates {
      guard graph.parameters[update.parameter] != nil else {
        throw GraftError.badData("\(name(update.parameter)) is updated but is not a parameter")
      }
      guard updated.insert(update.parameter).inserted else {
        throw GraftError.badData("parameter \(name(update.parameter)) is updated twice")
      }
      try requireDefined(update.newValue, "the update of \(name(update.parameter))")
    }
  }

  private mutating func define(_ id: ValueID, _ what: String) throws {
    guard graph.values.indices.contains(id.index) else {
      throw GraftError.badData("\(what) refers to value \(id.index), which does not exist")
    }
    guard !isDefined[id.index] else {
      throw GraftError.badData("\(what) \(name(id)) is defined a second time")
    }
    isDefined[id.index] = true
  }

  private func requireDefined(_ id: ValueID, _ what: String) throws {
    guard graph.values.indices.contains(id.index) else {
      throw GraftError.badData("\(what) refers to value \(id.index), which does not exist")
    }
    guard isDefined[id.index] else {
      throw GraftError.badData("\(what) \(name(id)) is read before anything defines it")
    }
  }

  private func name(_ id: ValueID) -> String {
    graph.values.indices.contains(id.index) ? "'\(graph[id].name)'" : "\(id.index)"
  }

  /// Like `Graph.label`, for nodes that may refer to values that do not exist.
  private func label(_ node: Node) -> String {
    let exist = node.outputs.allSatisfy { output in
      output.map { graph.values.indices.contains($0.index) } ?? true
    }
    return exist ? graph.label(node) : node.qualifiedType
  }
}
