import GraftFiles
import GraftGraph

/// Messages as the file has them, with the elements of their tensors where they lie.
extension TensorDecoder {
  /// A function, with its nodes in their own opset.
  func definition(_ function: Onnx_FunctionProto) throws -> SegmentedMessage {
    var proto = function
    proto.node = []
    proto.attributeProto = []
    var message = try SegmentedMessage(proto)
    for node in function.node { message.append(field: 7, try self.node(node)) }
    for attribute in function.attributeProto {
      message.append(field: 11, try self.attribute(attribute))
    }
    return message
  }

  private func node(_ node: Onnx_NodeProto) throws -> SegmentedMessage {
    var proto = node
    proto.attribute = []
    var message = try SegmentedMessage(proto)
    try withPlace(node.label) {
      for attribute in node.attribute {
        message.append(field: 5, try self.attribute(attribute))
      }
    }
    return message
  }

  private func attribute(_ attribute: Onnx_AttributeProto) throws -> SegmentedMessage {
    var proto = attribute
    proto.clearT()
    proto.clearG()
    proto.clearSparseTensor()
    proto.tensors = []
    proto.graphs = []
    proto.sparseTensors = []
    var message = try SegmentedMessage(proto)
    try withPlace("attribute '\(attribute.name)'") {
      if attribute.hasT { message.append(field: 5, try tensorMessage(attribute.t)) }
      if attribute.hasG { message.append(field: 6, try graph(attribute.g)) }
      for tensor in attribute.tensors {
        message.append(field: 10, try tensorMessage(tensor))
      }
      for graph in attribute.graphs { message.append(field: 11, try self.graph(graph)) }
      if attribute.hasSparseTensor {
        message.append(field: 22, try sparseMessage(attribute.sparseTensor))
      }
      for tensor in attribute.sparseTensors {
        message.append(field: 23, try sparseMessage(tensor))
      }
    }
    return message
  }

  private func graph(_ graph: Onnx_GraphProto) throws -> SegmentedMessage {
    var proto = graph
    proto.node = []
    proto.initializer = []
    proto.sparseInitializer = []
    var message = try SegmentedMessage(proto)
    for node in graph.node { message.append(field: 1, try self.node(node)) }
    for tensor in graph.initializer {
      message.append(field: 5, try tensorMessage(tensor))
    }
    for tensor in graph.sparseInitializer {
      message.append(field: 15, try sparseMessage(tensor))
    }
    return message
  }

  private func tensorMessage(_ proto: Onnx_TensorProto) throws -> SegmentedMessage {
    try SegmentedMessage(
      try tensor(proto), name: proto.name, documentation: proto.docString,
      metadata: dictionary(proto.metadataProps))
  }

  private func sparseMessage(_ proto: Onnx_SparseTensorProto) throws -> SegmentedMessage {
    try SegmentedMessage(try sparseTensor(proto), name: proto.values.name)
  }
}
