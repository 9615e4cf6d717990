import GraftFiles
import GraftGraph
import GraftTensor

/// Reads a graph that a ``GraphWriter`` wrote, given the tensors of its table.
struct GraphReader {
  var bytes: ByteReader
  let tensors: [Tensor]
  private var depth = 0
  private static let depthLimit = 64

  init(_ bytes: ByteReader, tensors: [Tensor]) {
    self.bytes = bytes
    self.tensors = tensors
  }

  /// - Parameter outerValueCount: the number of values of the enclosing graph
  mutating func graph(outerValueCount: Int = 0) throws -> Graph {
    try descend()
    defer { depth -= 1 }
    var graph = Graph(name: try bytes.string())
    graph.documentation = try bytes.string()
    graph.values = try bytes.array { bytes in
      Value(
        name: try bytes.string(), type: try bytes.bool() ? try bytes.valueType() : nil,
        documentation: try bytes.string(), metadata: try bytes.dictionary())
    }
    let valueCount = graph.values.count
    for _ in 0..<(try bytes.elementCount()) { graph.nodes.append(try node(valueCount)) }
    graph.inputs = try bytes.array { try $0.id(valueCount) }
    graph.outputs = try bytes.array { try $0.id(valueCount) }
    graph.constants = try tensorsByID(valueCount)
    graph.parameters = try tensorsByID(valueCount)
    graph.updates = try bytes.array {
      ParameterUpdate(parameter: try $0.id(valueCount), newValue: try $0.id(valueCount))
    }
    let captures = try bytes.array { (try $0.id(valueCount), try $0.id(outerValueCount)) }
    graph.captures = Dictionary(captures, uniquingKeysWith: { first, _ in first })
    graph.defaultedInputs = try bytes.array { try $0.id(valueCount) }
    graph.metadata = try bytes.dictionary()
    graph.domainVersions = try bytes.dictionary().compactMapValues { Int($0) }
    graph.provenance = try provenance()
    return graph
  }

  private mutating func descend() throws {
    depth += 1
    guard depth <= GraphReader.depthLimit else { throw ByteReader.damage }
  }

  private mutating func tensor() throws -> Tensor {
    let number = try bytes.int()
    guard tensors.indices.contains(number) else { throw ByteReader.damage }
    return tensors[number]
  }

  private mutating func tensorsByID(_ valueCount: Int) throws -> [ValueID: Tensor] {
    var result: [ValueID: Tensor] = [:]
    for _ in 0..<(try bytes.elementCount()) { result[try bytes.id(valueCount)] = try tensor() }
    return result
  }

  private mutating func provenance() throws -> Graph.Provenance {
    var provenance = Graph.Provenance()
    provenance.producerName = try bytes.string()
    provenance.producerVersion = try bytes.string()
    provenance.domain = try bytes.string()
    provenance.modelVersion = try bytes.int()
    provenance.documentation = try bytes.string()
    provenance.graphMetadata = try bytes.dictionary()
    provenance.importedOpset = try bytes.int()
    return provenance
  }

  private mutating func node(_ valueCount: Int) throws -> Node {
    var node = Node(
      name: try bytes.string(), operatorType: try bytes.string(), domain: try bytes.string(),
      inputs: try bytes.array { try $0.optionalID(valueCount) },
      outputs: try bytes.array { try $0.optionalID(valueCount) })
    for _ in 0..<(try bytes.elementCount()) {
      node.attributes[try bytes.string()] = try attribute(valueCount)
    }
    node.documentation = try bytes.string()
    node.metadata = try bytes.dictionary()
    return node
  }

  private mutating func attribute(_ valueCount: Int) throws -> Attribute {
    guard let kind = AttributeKind(rawValue: try bytes.byte()) else { throw ByteReader.damage }
    switch kind {
    case .int: return .int(try bytes.int())
    case .float: return .float(try bytes.float())
    case .string: return .string(try bytes.string())
    case .tensor: return .tensor(try tensor())
    case .sparseTensor: return .sparseTensor(try sparseTensor())
    case .graph: return .graph(try graph(outerValueCount: valueCount))
    case .type: return .type(try bytes.valueType())
    case .ints: return .ints(try bytes.array { try $0.int() })
    case .floats: return .floats(try bytes.array { try $0.float() })
    case .strings: return .strings(try bytes.array { try $0.string() })
    case .tensors: return .tensors(try list { try $0.tensor() })
    case .sparseTensors: return .sparseTensors(try list { try $0.sparseTensor() })
    case .graphs: return .graphs(try list { try $0.graph(outerValueCount: valueCount) })
    case .types: return .types(try bytes.array { try $0.valueType() })
    }
  }

  private mutating func list<Element>(
    _ element: (inout GraphReader) throws -> Element
  ) throws -> [Element] {
    var elements: [Element] = []
    for _ in 0..<(try bytes.elementCount()) { elements.append(try element(&self)) }
    return elements
  }

  private mutating func sparseTensor() throws -> SparseTensor {
    SparseTensor(
      values: try tensor(), indices: try tensor(), shape: try bytes.array { try $0.int() })
  }
}

extension ByteReader {
  fileprivate mutating func id(_ valueCount: Int) throws -> ValueID {
    let index = try int()
    guard (0..<valueCount).contains(index) else { throw ByteReader.damage }
    return ValueID(index)
  }

  fileprivate mutating func optionalID(_ valueCount: Int) throws -> ValueID? {
    let index = try int()
    if index == -1 { return nil }
    guard (0..<valueCount).contains(index) else { throw ByteReader.damage }
    return ValueID(index)
  }

  mutating func elementType() throws -> ElementType {
    guard let number = Int32(exactly: try int()), let type = ElementType(rawValue: number) else {
      throw ByteReader.damage
    }
    return type
  }

  fileprivate mutating func valueType(depth: Int = 0) throws -> ValueType {
    guard depth < 64 else { throw ByteReader.damage }
    switch try byte() {
    case 0: return .tensor(try tensorType())
    case 1: return .sparseTensor(try tensorType())
    case 2: return .sequence(try valueType(depth: depth + 1))
    case 3: return .optional(try valueType(depth: depth + 1))
    case 4: return .map(key: try elementType(), value: try valueType(depth: depth + 1))
    default: throw ByteReader.damage
    }
  }

  private mutating func tensorType() throws -> TensorType {
    let elementType = try elementType()
    guard try bool() else { return TensorType(elementType, nil) }
    let shape = try array { bytes -> Dimension in
      switch try bytes.byte() {
      case 0: .known(try bytes.int())
      case 1: .symbol(ByteString(try bytes.string()))
      case 2: .unknown
      default: throw ByteReader.damage
      }
    }
    return TensorType(elementType, shape)
  }
}
