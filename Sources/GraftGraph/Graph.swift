import GraftFiles
import GraftTensor

/// A value of a graph, by its place in ``Graph/values``.
package struct ValueID: Hashable, Sendable, Comparable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
}

/// An edge of the graph. Where it comes from (input, constant, parameter, node) the graph says.
package struct Value: Sendable {
  package var name: String
  /// What is known of it; `nil` if nothing is.
  package var type: ValueType?
  package var documentation: String
  package var metadata: [ByteString: String]

  package init(
    name: String, type: ValueType? = nil, documentation: String = "",
    metadata: [ByteString: String] = [:]
  ) {
    self.name = name
    self.type = type
    self.documentation = documentation
    self.metadata = metadata
  }
}

/// A change of a parameter that a run of the graph carries out after the parameter's last reader.
package struct ParameterUpdate: Hashable, Sendable {
  package var parameter: ValueID
  package var newValue: ValueID

  package init(parameter: ValueID, newValue: ValueID) {
    self.parameter = parameter
    self.newValue = newValue
  }
}

/// A network with ONNX semantics: its nodes are operators at the newest opset, or of Graft's own domain.
///
/// A value is an input, a constant, a parameter, a capture (of the graph around this one), or an output of
/// one node.
package struct Graph: Sendable {
  package var name: String
  package var documentation: String
  package var values: [Value]
  /// In topological order: a node stands after those whose outputs it reads.
  package var nodes: [Node]
  /// What a caller must give, in order.
  package var inputs: [ValueID]
  package var outputs: [ValueID]
  package var constants: [ValueID: Tensor]
  /// What training may change, with the first values.
  package var parameters: [ValueID: Tensor]
  package var updates: [ParameterUpdate]
  /// Values of the graph around this one that this one reads: inner to outer.
  package var captures: [ValueID: ValueID]
  /// Constants that the imported file also declared as inputs, with a default.
  package var defaultedInputs: [ValueID]
  /// The model's own metadata (`metadata_props`): preprocessing, labels, whatever the file had.
  package var metadata: [ByteString: String]
  /// Versions of the domains besides ONNX's own.
  package var domainVersions: [ByteString: Int]
  /// Producer, domain and version, as the file had them.
  package var provenance: Provenance
  /// The files that the graph was read from, the model's own first.
  package var sourceFiles: [SourceFile]

  package init(name: String = "graph") {
    self.name = name
    self.documentation = ""
    self.values = []
    self.nodes = []
    self.inputs = []
    self.outputs = []
    self.constants = [:]
    self.parameters = [:]
    self.updates = []
    self.captures = [:]
    self.defaultedInputs = []
    self.metadata = [:]
    self.domainVersions = [:]
    self.provenance = Provenance()
    self.sourceFiles = []
  }

  /// A file, and what it was when it was read.
  package struct SourceFile: Hashable, Sendable {
    package var path: String
    package var identity: FileIdentity

    package init(path: String, identity: FileIdentity) {
      self.path = path
      self.identity = identity
    }
  }

  /// Where a model came from.
  package struct Provenance: Sendable, Equatable {
    package var producerName = ""
    package var producerVersion = ""
    package var domain = ""
    package var modelVersion = 0
    package var documentation = ""
    /// The metadata of the model's graph, which is kept apart from that of the model.
    package var graphMetadata: [ByteString: String] = [:]
    /// The opset of `ai.onnx` that the file named; 0 if it came from elsewhere.
    package var importedOpset = 0
    package init() {}
  }

  package subscript(_ id: ValueID) -> Value {
    get { values[id.index] }
    set { values[id.index] = newValue }
  }
}

extension Graph {
  /// A new value. An empty name gets one that is free.
  package mutating func addValue(name: String = "", type: ValueType? = nil) -> ValueID {
    let id = ValueID(values.count)
    values.append(Value(name: name.isEmpty ? "value_\(id.index)" : name, type: type))
    return id
  }

  package mutating func addInput(name: String, type: TensorType) -> ValueID {
    let id = addValue(name: name, type: .tensor(type))
    inputs.append(id)
    return id
  }

  package mutating func addConstant(name: String = "", _ tensor: Tensor) -> ValueID {
    let id = addValue(
      name: name, type: .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape))))
    constants[id] = tensor
    return id
  }

  package mutating func addParameter(name: String, _ tensor: Tensor) -> ValueID {
    let id = addValue(
      name: name, type: .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape))))
    parameters[id] = tensor
    return id
  }

  /// Appends a node with one new output.
  @discardableResult
  package mutating func addNode(
    _ operatorType: String, domain: String = "", name: String = "", _ inputs: [ValueID?],
    attributes: [ByteString: Attribute] = [:], outputName: String = ""
  ) -> ValueID {
    addNode(
      operatorType, domain: domain, name: name, inputs, attributes: attributes, outputCount: 1,
      outputNames: outputName.isEmpty ? [] : [outputName])[0]
  }

  /// Appends a node with `outputCount` new outputs.
  @discardableResult
  package mutating func addNode(
    _ operatorType: String, domain: String = "", name: String = "", _ inputs: [ValueID?],
    attributes: [ByteString: Attribute] = [:], outputCount: Int, outputNames: [String] = []
  ) -> [ValueID] {
    let outputs = (0..<outputCount).map { index in
      addValue(name: index < outputNames.count ? outputNames[index] : "")
    }
    nodes.append(
      Node(
        name: name, operatorType: operatorType, domain: domain, inputs: inputs, outputs: outputs,
        attributes: attributes))
    return outputs
  }

  /// The node that computes each value, by its place in ``nodes``.
  package func producers() -> [ValueID: Int] {
    var producers: [ValueID: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for case let output? in node.outputs { producers[output] = index }
    }
    return producers
  }

  /// How often each value is read: by nodes, by bodies of nodes, as an output, by an update.
  package func useCounts() -> [ValueID: Int] {
    var counts: [ValueID: Int] = [:]
    for node in nodes {
      for case let input? in node.inputs { counts[input, default: 0] += 1 }
      for body in node.bodies {
        for outer in body.captures.values { counts[outer, default: 0] += 1 }
      }
    }
    for output in outputs { counts[output, default: 0] += 1 }
    for update in updates {
      counts[update.newValue, default: 0] += 1
      counts[update.parameter, default: 0] += 1
    }
    return counts
  }

  /// What a value is known to contain before the graph runs: a constant's tensor.
  package func constant(_ id: ValueID?) -> Tensor? { id.flatMap { constants[$0] } }
}
