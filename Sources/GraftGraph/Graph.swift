import GraftFiles
import GraftTensor

/// A value of a graph, by its index in ``Graph/values``.
package struct ValueID: Hashable, Sendable, Comparable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
}

/// An edge of the graph. The graph says where it comes from (input, constant, parameter, node).
package struct Value: Sendable {
  package var name: String
  /// The known part of its type; `nil` if nothing is known.
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

/// An update of a parameter, executed after the parameter's last reader in a run.
package struct ParameterUpdate: Hashable, Sendable {
  package var parameter: ValueID
  package var newValue: ValueID

  package init(parameter: ValueID, newValue: ValueID) {
    self.parameter = parameter
    self.newValue = newValue
  }
}

/// A network with ONNX semantics. Its nodes are operators at the newest opset, or from Graft's own
/// domain.
///
/// A value is an input, a constant, a parameter, a capture (from the enclosing graph), or an output
/// of one node.
package struct Graph: Sendable {
  package var name: String
  package var documentation: String
  package var values: [Value]
  /// In topological order: each node comes after those whose outputs it reads.
  package var nodes: [Node]
  /// The required inputs, in order.
  package var inputs: [ValueID]
  package var outputs: [ValueID]
  package var constants: [ValueID: Tensor]
  /// The trainable values, with their initial contents.
  package var parameters: [ValueID: Tensor]
  package var updates: [ParameterUpdate]
  /// Values of the enclosing graph that this one reads: inner to outer.
  package var captures: [ValueID: ValueID]
  /// Constants that the imported file also declared as inputs with a default.
  package var defaultedInputs: [ValueID]
  /// The model's metadata (`metadata_props`): preprocessing, labels, and any others in the file.
  package var metadata: [ByteString: String]
  /// The versions of domains other than ONNX's own.
  package var domainVersions: [ByteString: Int]
  /// Producer, domain and version from the file.
  package var provenance: Provenance
  /// Functions that nodes call, for writing the model again; a graph with calls cannot run.
  package var functions: [KeptFunction]
  /// The files of the graph, the model's own first.
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
    self.functions = []
    self.sourceFiles = []
  }

  /// A file and its identity when it was read.
  package struct SourceFile: Hashable, Sendable {
    package var path: String
    package var identity: FileIdentity

    package init(path: String, identity: FileIdentity) {
      self.path = path
      self.identity = identity
    }
  }

  /// The origin of a model.
  package struct Provenance: Sendable, Equatable {
    package var producerName = ""
    package var producerVersion = ""
    package var domain = ""
    package var modelVersion = 0
    package var documentation = ""
    /// The metadata of the model's graph, which ONNX separates from that of the model.
    package var graphMetadata: [ByteString: String] = [:]
    /// The opset of `ai.onnx` in the file; 0 if the model did not come from ONNX.
    package var importedOpset = 0
    /// The IR version of the file; 0 if the model did not come from ONNX.
    package var importedIRVersion = 0
    /// The functions that the file defines, with their domains.
    package var functionNames: [ByteString] = []
    package init() {}
  }

  package subscript(_ id: ValueID) -> Value {
    get { values[id.index] }
    set { values[id.index] = newValue }
  }
}

extension Graph {
  /// A new value. An empty name becomes a unique one.
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

  /// The node that computes each value, by its index in ``nodes``.
  package func producers() -> [ValueID: Int] {
    var producers: [ValueID: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for case let output? in node.outputs { producers[output] = index }
    }
    return producers
  }

  /// The number of readers of each value: nodes, bodies of nodes, outputs and updates.
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

  /// The known contents of a value before the graph runs: a constant's tensor.
  package func constant(_ id: ValueID?) -> Tensor? { id.flatMap { constants[$0] } }
}
