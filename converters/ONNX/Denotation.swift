import GraftFiles

/// What a type or an axis stands for (`IMAGE`, `DATA_BATCH`), kept among the metadata of a value.
///
/// Source: <https://onnx.ai/onnx/repo-docs/TypeDenotation.html>,
/// <https://onnx.ai/onnx/repo-docs/DimensionDenotation.html>
enum Denotation {
  /// The prefix of the keys, before `type` for the type itself or the number of an axis.
  static let prefix = "denotation."
  private static let typeKey = prefix + "type"

  static func metadata(of type: Onnx_TypeProto) -> [ByteString: String] {
    var metadata: [ByteString: String] = [:]
    if !type.denotation.isEmpty { metadata[typeKey] = type.denotation }
    for (axis, dimension) in type.tensorType.shape.dim.enumerated()
    where !dimension.denotation.isEmpty {
      metadata["\(prefix)\(axis)"] = dimension.denotation
    }
    return metadata
  }

  /// Writes the denotations of a value into its type.
  static func write(_ metadata: [ByteString: String], to type: inout Onnx_TypeProto) {
    if let denotation = metadata[typeKey] { type.denotation = denotation }
    guard type.tensorType.hasShape else { return }
    for axis in type.tensorType.shape.dim.indices {
      guard let denotation = metadata["\(prefix)\(axis)"] else { continue }
      type.tensorType.shape.dim[axis].denotation = denotation
    }
  }
}
