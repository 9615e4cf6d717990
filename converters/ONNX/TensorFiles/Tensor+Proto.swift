import GraftFiles
import GraftGraph
import GraftTensor

import FoundationEssentials

extension SegmentedMessage {
  /// A `TensorProto`.
  init(
    _ tensor: Tensor, name: String = "", documentation: String = "",
    metadata: [ByteString: String] = [:]
  ) throws {
    var proto = Onnx_TensorProto(describing: tensor, name: name)
    if !documentation.isEmpty { proto.docString = documentation }
    proto.metadataProps = entries(metadata)
    if tensor.elementType == .string {
      proto.stringData = tensor.strings.map { Data($0.utf8) }
      try self.init(proto)
    } else {
      try self.init(proto)
      append(field: Onnx_TensorProto.rawDataField, elementsOf: tensor)
    }
  }

  /// A `SparseTensorProto`.
  init(_ sparse: SparseTensor, name: String = "") throws {
    var proto = Onnx_SparseTensorProto()
    proto.dims = sparse.shape.map(Int64.init)
    try self.init(proto)
    append(field: 1, try SegmentedMessage(sparse.values, name: name))
    append(field: 2, try SegmentedMessage(sparse.indices))
  }
}

extension Onnx_TensorProto {
  static let rawDataField = 9

  /// A tensor's name, type and shape, without its elements.
  init(describing tensor: Tensor, name: String) {
    self.init()
    dims = tensor.shape.map(Int64.init)
    dataType = tensor.elementType.rawValue
    if !name.isEmpty { self.name = name }
  }
}

/// Entries in the order of their keys, so that equal models give equal files.
func entries(_ dictionary: [ByteString: String]) -> [Onnx_StringStringEntryProto] {
  dictionary.sorted { $0.key < $1.key }.map { key, value in
    var entry = Onnx_StringStringEntryProto()
    entry.key = key.text
    entry.value = value
    return entry
  }
}
