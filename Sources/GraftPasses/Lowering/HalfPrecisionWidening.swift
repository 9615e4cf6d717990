import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Computes float16 and bfloat16 parts of a graph in float. Kernels of these types compute in float
/// anyway and round their results, which are exact in float. With this pass, results stay float and
/// are rounded when they are stored. Nothing is converted between layers, weights are converted
/// once, and layouts and fusions of floats apply.
///
/// It starts at computing operators, and continues through operators that move or select elements.
/// All others still read and write the narrow type. Run it last, except for passes that only know
/// floats: each node rounds where the original node rounds.
package enum HalfPrecisionWidening: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let halves: Set<ElementType> = [.float16, .bfloat16]
    guard
      graph.values.contains(where: {
        $0.type?.tensor.map { halves.contains($0.elementType) } ?? false
      })
    else { return false }
    var rewriter = HalfPrecisionRewriter(graph)
    try rewriter.rewrite()
    graph = rewriter.graph
    guard rewriter.didChange else { return false }
    _ = try DeadNodeElimination.run(&graph)
    return true
  }
}

/// Walks a graph in order and tracks both forms of values with a narrow type.
private struct HalfPrecisionRewriter {
  var graph: Graph
  private(set) var didChange = false
  /// The float form of a value.
  private var wide: [ValueID: ValueID] = [:]
  /// Values that only exist as floats.
  private var onlyWide: Set<ValueID> = []
  private var nodes: [Node] = []
  /// Casts to float of values that exist as floats.
  private var replacements: [ValueID: ValueID] = [:]

  init(_ graph: Graph) { self.graph = graph }

  mutating func rewrite() throws {
    for node in graph.nodes {
      if try convert(node) {
        didChange = true
        continue
      }
      for case let input? in node.inputs { requireNarrow(input) }
      for body in node.bodies {
        for outer in body.captures.values { requireNarrow(outer) }
      }
      nodes.append(node)
    }
    for output in graph.outputs { requireNarrow(output) }
    for update in graph.updates { requireNarrow(update.newValue) }
    graph.nodes = nodes
    graph.replaceUses(replacements)
  }

  private func narrowType(_ id: ValueID?) -> ElementType? {
    guard let type = graph.elementType(id), type == .float16 || type == .bfloat16 else {
      return nil
    }
    return type
  }

  /// Appends the float form of `node`; false if the node stays as it is.
  private mutating func convert(_ node: Node) throws -> Bool {
    guard node.bodies.isEmpty, let type = OperatorCatalog.type(of: node) else { return false }
    if type is Cast.Type { return try convertCast(node) }
    let outputTypes = Set(node.outputs.compactMap { narrowType($0) })
    let types = outputTypes.union(node.inputs.compactMap { narrowType($0) })
    guard types.count == 1, let narrow = types.first else { return false }
    let isComputing = type.widening == .rounds
    let follows = node.inputs.contains {
      $0.map { wide[$0] != nil && graph.constants[$0] == nil } ?? false
    }
    guard
      isComputing && outputTypes.count == 1 || follows && type.widening == .isExact,
      node.outputs.allSatisfy({ $0 == nil || graph.elementType($0) != nil })
    else { return false }

    var converted = node
    for (position, input) in node.inputs.enumerated() {
      if let input, narrowType(input) != nil {
        converted.inputs[position] = try requireWide(input)
      }
    }
    var roundings: [Node] = []
    // Convolutions and matrix products round their results themselves.
    let fusedForm = isComputing ? type.fusedForm : nil
    if let fusedForm {
      converted.become(fusedForm)
      converted.set(.roundedTo, narrow)
    }
    for (position, output) in node.outputs.enumerated() {
      guard let output, narrowType(output) != nil else { continue }
      let result = makeWide(of: output)
      guard isComputing, fusedForm == nil else {
        converted.outputs[position] = result
        continue
      }
      let exact = graph.addValue(
        name: "\(graph[output].name)/unrounded", type: graph[result].type)
      converted.outputs[position] = exact
      roundings.append(rounding(exact, narrow, to: result))
    }
    nodes.append(converted)
    nodes += roundings
    return true
  }

  private func rounding(_ value: ValueID, _ type: ElementType, to result: ValueID) -> Node {
    Node(
      operatorType: "RoundToType", domain: "graft", inputs: [value], outputs: [result]
    ).with(.narrowType, type)
  }

  /// A Cast from float rounds; one to float does nothing.
  private mutating func convertCast(_ node: Node) throws -> Bool {
    guard let input = node.inputs[0], let output = node.outputs[0] else { return false }
    if let narrow = narrowType(output), graph.elementType(input) == .float {
      nodes.append(rounding(input, narrow, to: makeWide(of: output)))
      return true
    }
    guard narrowType(input) != nil, graph.elementType(output) == .float, let form = wide[input]
    else { return false }
    replacements[output] = form
    return true
  }

  /// A new value for the float form of `value`, to be computed by a node.
  private mutating func makeWide(of value: ValueID) -> ValueID {
    let form = addWide(of: value)
    onlyWide.insert(value)
    return form
  }

  private mutating func addWide(of value: ValueID) -> ValueID {
    var type = graph[value].type?.tensor
    type?.elementType = .float
    let form = graph.addValue(
      name: "\(graph[value].name)/float", type: type.map { .tensor($0) })
    wide[value] = form
    return form
  }

  /// The float form of a value, converted if necessary.
  private mutating func requireWide(_ value: ValueID) throws -> ValueID {
    if let form = wide[value] { return form }
    let form = addWide(of: value)
    if let constant = graph.constants[value] {
      graph.constants[form] = try constant.converted(to: .float)
    } else {
      nodes.append(
        Node(
          operatorType: "Cast", inputs: [value], outputs: [form],
          attributes: ["to": .int(Int(ElementType.float.rawValue))]))
    }
    return form
  }

  /// Converts a value to its own type, unless it exists there.
  private mutating func requireNarrow(_ value: ValueID) {
    guard onlyWide.contains(value), let form = wide[value], let type = narrowType(value) else {
      return
    }
    nodes.append(
      Node(
        operatorType: "Cast", inputs: [form], outputs: [value],
        attributes: ["to": .int(Int(type.rawValue))]))
    onlyWide.remove(value)
  }
}
