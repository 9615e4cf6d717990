import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A graph on its way to the blocked layout: its nodes so far, and which values exist in which
/// layout.
struct BlockedGraph {
  /// The blocked form of a value.
  struct Form {
    let value: ValueID
    let channels: Int
  }

  var graph: Graph
  private var forms: [ValueID: Form] = [:]
  /// Values that exist in the planar layout.
  private var planar: Set<ValueID> = []
  /// `nil` where a node went into a later one.
  private var nodes: [Node?] = []
  /// Where the node stands that makes a value.
  private var places: [ValueID: Int] = [:]
  private let useCounts: [ValueID: Int]
  private let producers: [ValueID: Int]

  init(_ graph: Graph) {
    self.graph = graph
    useCounts = graph.useCounts()
    producers = graph.producers()
  }

  subscript(value: ValueID?) -> Form? { value.flatMap { forms[$0] } }

  var hasForms: Bool { !forms.isEmpty }

  // MARK: - The original graph

  /// The node that computes a value in the original graph.
  func producer(_ id: ValueID?) -> Node? { id.flatMap { producers[$0] }.map { graph.nodes[$0] } }

  /// The value whose extents from `start` on form this value, through a Shape.
  func sourceOfShape(_ id: ValueID?, start: Int = 0, end: Int? = nil) throws -> ValueID? {
    guard let node = producer(id), let shape = try node.operation(as: ShapeOperator.self),
      shape.start == start, shape.end == end
    else { return nil }
    return node.inputs[0]
  }

  /// The shape [M, C, kH, kW] of constant or trained weights.
  func weightShape(_ id: ValueID?) -> Shape? {
    guard let id, let tensor = graph.constants[id] ?? graph.parameters[id],
      tensor.elementType == .float, tensor.rank == 4, tensor.elementCount > 0
    else { return nil }
    return tensor.shape
  }

  // MARK: - Nodes

  mutating func append(_ node: Node) {
    for case let output? in node.outputs { places[output] = nodes.count }
    nodes.append(node)
  }

  /// Appends a node that reads and makes planar values.
  mutating func appendPlanar(_ node: Node) {
    for case let input? in node.inputs { requirePlanar(input) }
    for body in node.bodies {
      for outer in body.captures.values { requirePlanar(outer) }
    }
    append(node)
    for case let output? in node.outputs { planar.insert(output) }
  }

  /// The blocked form of a node.
  mutating func convert<Base: BlockedForm>(
    _ node: Node, to _: Base.Type, channels: Int
  ) -> Node {
    convert(node, to: Base.blockedSchema, images: Base.blockedInputs, channels: channels)
  }

  /// `node` as one of another operator, with images (inputs, and output 0) in blocks.
  mutating func convert(
    _ node: Node, to schema: OperatorSchema, images: [Int], channels: Int
  ) -> Node {
    var converted = node
    converted.become(schema)
    for image in images where image < node.inputs.count {
      if let input = node.inputs[image] {
        converted.inputs[image] = requireBlocked(input, channels: channels)
      }
    }
    if let output = node.outputs[0] {
      converted.outputs[0] = addBlockedValue(for: output, channels: channels)
    }
    return converted
  }

  /// The node that makes the blocked form of a value that only one node reads.
  func unsharedMaker(of value: ValueID) -> Node? {
    guard useCounts[value] == 1, !planar.contains(value), let form = forms[value] else {
      return nil
    }
    return places[form.value].flatMap { nodes[$0] }
  }

  /// Takes out the node that makes the blocked form of a value: changed, it makes that of `output`.
  mutating func fuse(
    into value: ValueID, output: ValueID, _ change: (inout Node) -> Void
  ) -> Node? {
    guard let form = forms.removeValue(forKey: value), let place = places[form.value],
      var node = nodes[place]
    else { return nil }
    nodes[place] = nil
    change(&node)
    node.outputs[0] = addBlockedValue(for: output, channels: form.channels)
    return node
  }

  /// The graph with the new nodes.
  mutating func finish() -> Graph {
    for output in graph.outputs { requirePlanar(output) }
    for update in graph.updates { requirePlanar(update.newValue) }
    graph.nodes = nodes.compactMap { $0 }
    return graph
  }

  // MARK: - Values

  /// Converts a value to the planar layout, unless it exists there.
  mutating func requirePlanar(_ value: ValueID) {
    guard let form = forms[value], !planar.contains(value) else { return }
    append(
      Node(operatorType: "FromBlocked", domain: "graft", inputs: [form.value], outputs: [value])
        .with(.channels, form.channels))
    planar.insert(value)
  }

  /// The blocked form of a value, converted if necessary.
  mutating func requireBlocked(_ value: ValueID, channels: Int) -> ValueID {
    if let form = forms[value] { return form.value }
    let form = addBlockedValue(for: value, channels: channels)
    append(Node(operatorType: "ToBlocked", domain: "graft", inputs: [value], outputs: [form]))
    planar.insert(value)
    return form
  }

  /// A new value for the blocked form of `value`.
  mutating func addBlockedValue(for value: ValueID, channels: Int) -> ValueID {
    var type: ValueType?
    if let shape = graph[value].type?.tensor?.shape, shape.count == 4 {
      type = .tensor(
        TensorType(
          .float,
          [shape[0], .known(blockCount(channels)), shape[2], shape[3], .known(channelBlock)]))
    }
    let form = graph.addValue(name: "\(graph[value].name)_blocked", type: type)
    forms[value] = Form(value: form, channels: channels)
    return form
  }
}
