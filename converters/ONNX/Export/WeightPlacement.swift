import GraftFiles
import GraftTensor

/// Where the elements of initializers go: into the model or a file next to it.
struct WeightPlacement {
  /// The name of the weight file; `nil` if everything goes into the model.
  let externalFile: String?
  /// The tensors of the weight file, in order, with their offsets.
  private(set) var external: [(tensor: Tensor, offset: Int)] = []
  private var byteCount = 0

  /// Smaller tensors stay in the model.
  private static let smallestExternal = 1024
  /// A page, as readers map the file.
  static let alignment = 4096

  init(externalFile: String?) { self.externalFile = externalFile }

  /// An initializer as a `TensorProto`.
  mutating func initializer(
    _ tensor: Tensor, name: String, documentation: String, metadata: [ByteString: String]
  ) throws -> SegmentedMessage {
    let count = tensor.elementType.packedByteCount(tensor.elementCount)
    guard let externalFile, count >= Self.smallestExternal, tensor.elementType != .string else {
      return try SegmentedMessage(
        tensor, name: name, documentation: documentation, metadata: metadata)
    }
    let offset = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    external.append((tensor, offset))
    byteCount = offset + count
    var proto = Onnx_TensorProto(describing: tensor, name: name)
    if !documentation.isEmpty { proto.docString = documentation }
    proto.metadataProps = entries(metadata)
    proto.dataLocation = .external
    proto.externalData = [
      ("location", externalFile), ("offset", String(offset)), ("length", String(count)),
    ].map { key, value in
      var entry = Onnx_StringStringEntryProto()
      entry.key = key
      entry.value = value
      return entry
    }
    return try SegmentedMessage(proto)
  }
}
