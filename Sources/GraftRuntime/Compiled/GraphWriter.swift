import GraftFiles
import GraftGraph
import GraftTensor

/// Writes a graph as bytes; tensors go to a table and are written as their numbers.
struct GraphWriter {
  var bytes = ByteWriter()
  var tensors = TensorTable()

  mutating func add(_ graph: Graph) {
    bytes.add(graph.name)
    bytes.add(graph.documentation)
    bytes.add(graph.values) { bytes, value in
      bytes.add(value.name)
      bytes.add(value.type != nil)
      if let type = value.type { bytes.add(type) }
      bytes.add(value.documentation)
      bytes.add(value.metadata)
    }
    bytes.add(graph.nodes.count)
    for node in graph.nodes { add(node) }
    bytes.add(graph.inputs) { $0.add($1.index) }
    bytes.add(graph.outputs) { $0.add($1.index) }
    add(graph.constants)
    add(graph.parameters)
    bytes.add(graph.updates) { bytes, update in
      bytes.add(update.parameter.index)
      bytes.add(update.newValue.index)
    }
    bytes.add(graph.captures.sorted { $0.key < $1.key }) { bytes, capture in
      bytes.add(capture.key.index)
      bytes.add(capture.value.index)
    }
    bytes.add(graph.defaultedInputs) { $0.add($1.index) }
    bytes.add(graph.metadata)
    bytes.add(graph.domainVersions.mapValues { String($0) })
    add(graph.provenance)
  }

  private mutating func add(_ tensorsByID: [ValueID: Tensor]) {
    bytes.add(tensorsByID.count)
    for (id, tensor) in tensorsByID.sorted(by: { $0.key < $1.key }) {
      bytes.add(id.index)
      add(tensor)
    }
  }

  private mutating func add(_ tensor: Tensor) { bytes.add(tensors.add(tensor)) }

  private mutating func add(_ provenance: Graph.Provenance) {
    bytes.add(provenance.producerName)
    bytes.add(provenance.producerVersion)
    bytes.add(provenance.domain)
    bytes.add(provenance.modelVersion)
    bytes.add(provenance.documentation)
    bytes.add(provenance.graphMetadata)
    bytes.add(provenance.importedOpset)
  }

  private mutating func add(_ node: Node) {
    bytes.add(node.name)
    bytes.add(node.operatorType)
    bytes.add(node.domain)
    for ids in [node.inputs, node.outputs] { bytes.add(ids) { $0.add($1?.index ?? -1) } }
    bytes.add(node.attributes.count)
    for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
      bytes.add(name.text)
      add(attribute)
    }
    bytes.add(node.documentation)
    bytes.add(node.metadata)
  }

  private mutating func add(_ attribute: Attribute) {
    bytes.add(AttributeKind(attribute).rawValue)
    switch attribute {
    case .int(let value): bytes.add(value)
    case .float(let value): bytes.add(value)
    case .string(let text): bytes.add(text)
    case .tensor(let tensor): add(tensor)
    case .sparseTensor(let tensor): add(tensor)
    case .graph(let graph): add(graph)
    case .type(let type): bytes.add(type)
    case .ints(let values): bytes.add(values) { $0.add($1) }
    case .floats(let values): bytes.add(values) { $0.add($1) }
    case .strings(let texts): bytes.add(texts) { $0.add($1) }
    case .tensors(let tensors): addAll(tensors) { $0.add($1) }
    case .sparseTensors(let tensors): addAll(tensors) { $0.add($1) }
    case .graphs(let graphs): addAll(graphs) { $0.add($1) }
    case .types(let types): bytes.add(types) { $0.add($1) }
    }
  }

  private mutating func addAll<Element>(
    _ elements: [Element], _ body: (inout GraphWriter, Element) -> Void
  ) {
    bytes.add(elements.count)
    for element in elements { body(&self, element) }
  }

  private mutating func add(_ tensor: SparseTensor) {
    add(tensor.values)
    add(tensor.indices)
    bytes.add(tensor.shape) { $0.add($1) }
  }
}

/// The kinds of attributes as numbers.
enum AttributeKind: UInt8 {
  case int, float, string, tensor, sparseTensor, graph, type
  case ints, floats, strings, tensors, sparseTensors, graphs, types

  init(_ attribute: Attribute) {
    self =
      switch attribute {
      case .int: .int
      case .float: .float
      case .string: .string
      case .tensor: .tensor
      case .sparseTensor: .sparseTensor
      case .graph: .graph
      case .type: .type
      case .ints: .ints
      case .floats: .floats
      case .strings: .strings
      case .tensors: .tensors
      case .sparseTensors: .sparseTensors
      case .graphs: .graphs
      case .types: .types
      }
  }
}

extension ByteWriter {
  fileprivate mutating func add(_ type: ValueType) {
    switch type {
    case .tensor(let type):
      add(UInt8(0))
      add(type)
    case .sparseTensor(let type):
      add(UInt8(1))
      add(type)
    case .sequence(let element):
      add(UInt8(2))
      add(element)
    case .optional(let element):
      add(UInt8(3))
      add(element)
    case .map(let key, let value):
      add(UInt8(4))
      add(Int(key.rawValue))
      add(value)
    }
  }

  private mutating func add(_ type: TensorType) {
    add(Int(type.elementType.rawValue))
    add(type.shape != nil)
    guard let shape = type.shape else { return }
    add(shape) { bytes, dimension in
      switch dimension {
      case .known(let extent):
        bytes.add(UInt8(0))
        bytes.add(extent)
      case .symbol(let name):
        bytes.add(UInt8(1))
        bytes.add(name.text)
      case .unknown: bytes.add(UInt8(2))
      }
    }
  }
}
