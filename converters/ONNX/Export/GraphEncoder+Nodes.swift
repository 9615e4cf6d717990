import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

import FoundationEssentials

extension GraphEncoder {
  mutating func node(_ node: Node, _ names: ExportNames) throws -> SegmentedMessage {
    let node = node.is(Gradient.self) ? try Gradient.named(node) { names[$0] } : node
    var proto = Onnx_NodeProto()
    proto.input = node.inputs.map { $0.map { names[$0] } ?? "" }
    proto.output = node.outputs.map { $0.map { names[$0] } ?? "" }
    if !node.name.isEmpty { proto.name = node.name }
    proto.opType = node.operatorType
    if !node.domain.isEmpty { proto.domain = node.domain }
    if !node.overload.isEmpty { proto.overload = node.overload }
    if !node.documentation.isEmpty { proto.docString = node.documentation }
    proto.metadataProps = entries(node.metadata)
    var message = try SegmentedMessage(proto)
    for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
      try withPlace("attribute '\(name)'") {
        message.append(field: 5, try self.attribute(name.text, attribute, names))
      }
    }
    return message
  }

  func constantNode(_ tensor: Tensor, _ name: String) throws -> SegmentedMessage {
    var node = Onnx_NodeProto()
    node.opType = Constant.schema.name
    node.output = [name]
    var message = try SegmentedMessage(node)
    message.append(field: 5, try tensorAttribute("value", tensor))
    return message
  }

  private func tensorAttribute(_ name: String, _ tensor: Tensor) throws -> SegmentedMessage {
    var proto = Onnx_AttributeProto()
    proto.name = name
    proto.type = .tensor
    var message = try SegmentedMessage(proto)
    message.append(field: 5, try SegmentedMessage(tensor))
    return message
  }

  private mutating func attribute(
    _ name: String, _ attribute: Attribute, _ names: ExportNames
  ) throws -> SegmentedMessage {
    var proto = Onnx_AttributeProto()
    proto.name = name
    // Messages that may hold tensors are appended by field number.
    var parts: [(field: Int, message: SegmentedMessage)] = []
    switch attribute {
    case .int(let value):
      proto.type = .int
      proto.i = Int64(value)
    case .float(let value):
      proto.type = .float
      proto.f = value
    case .string(let value):
      proto.type = .string
      proto.s = Data(value.utf8)
    case .tensor(let tensor): return try tensorAttribute(name, tensor)
    case .sparseTensor(let sparse):
      proto.type = .sparseTensor
      parts = [(22, try SegmentedMessage(sparse))]
    case .graph(let graph):
      proto.type = .graph
      parts = [(6, try message(graph, outer: names))]
    case .type(let type):
      proto.type = .typeProto
      proto.tp = type.proto
    case .ints(let values):
      proto.type = .ints
      proto.ints = values.map(Int64.init)
    case .floats(let values):
      proto.type = .floats
      proto.floats = values
    case .strings(let values):
      proto.type = .strings
      proto.strings = values.map { Data($0.utf8) }
    case .tensors(let tensors):
      proto.type = .tensors
      parts = try tensors.map { (10, try SegmentedMessage($0)) }
    case .sparseTensors(let tensors):
      proto.type = .sparseTensors
      parts = try tensors.map { (23, try SegmentedMessage($0)) }
    case .graphs(let graphs):
      proto.type = .graphs
      for graph in graphs { parts.append((11, try message(graph, outer: names))) }
    case .types(let types):
      proto.type = .typeProtos
      proto.typeProtos = types.map(\.proto)
    }
    var message = try SegmentedMessage(proto)
    for part in parts { message.append(field: part.field, part.message) }
    return message
  }
}
