import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator of another domain that is imported as nodes of ONNX's own operators.
///
/// So it has their gradients, and is exported as they are.
protocol ExpandedOperator: Operator {
  var attributes: AttributeReader { get }

  init(attributes: AttributeReader)

  /// Adds the nodes before the last one, and turns `node` into that.
  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws
}

/// Adds nodes to a graph.
protocol NodeBuilder {
  /// Adds a node with one new output.
  mutating func add(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute]
  ) throws -> ValueID

  mutating func addConstant(_ tensor: Tensor) -> ValueID

  /// Adds the nodes of a body.
  ///
  /// - Returns: the body's outputs
  mutating func inline(_ body: Graph, _ inputs: [ValueID]) throws -> [ValueID]

  /// What is known of a value.
  func type(_ id: ValueID?) -> TensorType?
}

extension UpgradeContext: NodeBuilder {
  mutating func add(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute]
  ) -> ValueID {
    addBefore(operatorType, inputs, attributes: attributes)
  }

  mutating func inline(_ body: Graph, _ inputs: [ValueID]) -> [ValueID] {
    addBefore(body, inputs)
  }
}

extension ExpandedOperator {
  package init(_ attributes: AttributeReader) throws { self.init(attributes: attributes) }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard schema.inputs.contains(node.inputs.count) else {
      throw GraftError.badData("has \(node.inputs.count) inputs")
    }
    let operation = Self(attributes: AttributeReader(node.attributes))
    node.domain = ""
    try operation.expand(&node, &context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let types = try (0..<context.inputCount).map { index in
      context.hasInput(index) ? ValueType.tensor(try context.input(index)) : nil
    }
    let expansion = try Expansion(self, types: types, contents: context.inputContents)
    guard let type = expansion.graph[expansion.output].type else {
      throw InferenceStop.unknownType
    }
    context.setOutput(0, type)
  }

  /// Imported models never need it.
  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let types = context.inputs.map { input in
      input.map { ValueType.tensor(TensorType($0.elementType, [Dimension]($0.shape))) }
    }
    let expansion = try Expansion(
      self, types: types, contents: context.inputs.map { $0?.constant })
    return .growing { inputs, memory in [try expansion.run(inputs, memory)] }
  }
}

/// The nodes of an operator, in a graph of their own.
private struct Expansion: NodeBuilder {
  private(set) var graph: Graph
  private(set) var output: ValueID

  init(
    _ operation: some ExpandedOperator, types: [ValueType?], contents: [Tensor?]
  ) throws {
    var graph = Graph(name: "expansion")
    let inputs = types.map { type in type.map { graph.addValue(type: $0) } }
    graph.inputs = inputs.compactMap { $0 }
    output = graph.addValue()
    self.graph = graph
    var node = Node(
      operatorType: Swift.type(of: operation).schema.name, inputs: inputs, outputs: [output],
      attributes: operation.attributes.attributes)
    try operation.expand(&node, &self)
    self.graph.nodes.append(node)
    for (input, tensor) in zip(inputs, contents) {
      if let input, let tensor, tensor.elementCount <= 64 { self.graph.constants[input] = tensor }
    }
    try self.graph.inferTypes()
    for case let input? in inputs { self.graph.constants[input] = nil }
  }

  mutating func add(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute]
  ) throws -> ValueID {
    graph.addNode(operatorType, inputs, attributes: attributes)
  }

  mutating func addConstant(_ tensor: Tensor) -> ValueID { graph.addConstant(tensor) }

  mutating func inline(_ body: Graph, _ inputs: [ValueID]) throws -> [ValueID] {
    guard body.captures.isEmpty else {
      throw GraftError.unsupported("runs outside of a graph, but a body captures values of one")
    }
    let inlined = graph.nodes(of: body, inputs: inputs)
    graph.nodes += inlined.nodes
    return inlined.outputs
  }

  func type(_ id: ValueID?) -> TensorType? { id.flatMap { graph[$0].type?.tensor } }

  func run(_ inputs: [RuntimeValue?], _ memory: MemoryBudget) throws -> RuntimeValue? {
    var values: [ValueID: RuntimeValue] = graph.constants.mapValues { .tensor($0) }
    for (input, value) in zip(graph.inputs, inputs.compactMap { $0 }) { values[input] = value }
    for node in graph.nodes {
      let results = try evaluate(
        OperatorCatalog.make(node), inputs: node.inputs.map { $0.flatMap { values[$0] } },
        wantedOutputs: node.outputs.map { $0 != nil }, memoryLimit: memory.byteCount)
      for (output, result) in zip(node.outputs, results) {
        if let output { values[output] = result }
      }
    }
    return values[output]
  }
}

extension NodeBuilder {
  mutating func add(_ operatorType: String, _ inputs: [ValueID?]) throws -> ValueID {
    try add(operatorType, inputs, attributes: [:])
  }

  /// The numbers of a quantized operand: element, scale and zero point from `index` on in a node's
  /// inputs.
  mutating func dequantized(_ node: Node, _ index: Int, axis: Int? = nil) throws -> ValueID {
    func input(_ place: Int) -> ValueID? {
      place < node.inputs.count ? node.inputs[place] : nil
    }
    guard input(index) != nil, input(index + 1) != nil else {
      throw GraftError.badData("an operand or its scale is missing")
    }
    return try add(
      "DequantizeLinear", [input(index), input(index + 1), input(index + 2)],
      attributes: axis.map { ["axis": .int($0)] } ?? [:])
  }

  /// Turns `node` into a QuantizeLinear of a value, with the scale and the zero point from `index`
  /// on in its inputs, and without a zero point with the type of `operand`.
  func quantize(
    _ value: ValueID, _ node: inout Node, _ index: Int, like operand: Int
  ) throws {
    guard index < node.inputs.count, node.inputs[index] != nil else {
      throw GraftError.badData("the scale of the result is missing")
    }
    let zeroPoint = index + 1 < node.inputs.count ? node.inputs[index + 1] : nil
    node.attributes = [:]
    if zeroPoint == nil, let type = type(node.inputs[operand])?.elementType {
      node.attributes["output_dtype"] = .int(Int(type.rawValue))
    }
    node.inputs = [value, node.inputs[index], zeroPoint]
    node.operatorType = QuantizeLinear.schema.name
  }

  /// A value with its channels moved first, or last again.
  mutating func moved(_ value: ValueID, channelsFirst: Bool, rank: Int) throws -> ValueID {
    let axes = Array(0..<rank)
    return try add(
      "Transpose", [value],
      attributes: ["perm": .ints(channelsFirst ? axes.channelsFirst : axes.channelsLast)])
  }

  /// A value of an image as the attribute `channels_last` says, with channels first for `body`.
  mutating func withChannelsFirst(
    _ value: ValueID, _ attributes: AttributeReader, like operand: ValueID?,
    _ body: (ValueID, inout Self) throws -> ValueID
  ) throws -> ValueID {
    guard try attributes.flag("channels_last") else { return try body(value, &self) }
    guard let rank = type(operand)?.shape?.count, rank > 2 else {
      throw GraftError.unsupported("needs the rank of an image with channels last")
    }
    let result = try body(try moved(value, channelsFirst: true, rank: rank), &self)
    return try moved(result, channelsFirst: false, rank: rank)
  }
}
