import GraftFiles

/// What the parts of a function take each time that it is inlined. Whatever stands in the file once is
/// paid for by its bytes there.
extension ModelImport {
  func take(_ node: Onnx_NodeProto) throws {
    try budget.takeInlinedNode()
    try budget.take(
      bytes: 512 + 32 * (node.input.count + node.output.count) + 64 * node.metadataProps.count)
  }

  func take(_ function: Onnx_FunctionProto) throws {
    try budget.take(
      bytes: 512 + 128 * (function.valueInfo.count + function.input.count + function.output.count)
        + 128 * (function.attributeProto.count + function.opsetImport.count))
  }

  func take(_ body: Onnx_GraphProto) throws {
    try budget.take(
      bytes: 512 + 128 * (body.valueInfo.count + body.input.count + body.output.count)
        + 128 * (body.initializer.count + body.sparseInitializer.count)
        + 64 * body.metadataProps.count + 64 * body.quantizationAnnotation.count)
  }

  /// - Throws: `GraftError` if calls and bodies lie too deep inside of each other.
  func requireDepth(_ frame: NameFrame) throws {
    guard frame.depth < limits.nesting else {
      throw GraftError.badData("nests calls of functions and bodies deeper than \(limits.nesting)")
    }
  }
}

extension Onnx_AttributeProto {
  /// What a list takes in memory; tensors and graphs are counted where they are decoded.
  var memoryByteCount: Int {
    let texts = strings.reduce(s.count) { $0 + $1.count }
    return 128 + texts + 8 * ints.count + 4 * floats.count + 16 * strings.count
      + 64 * (tensors.count + sparseTensors.count + graphs.count + typeProtos.count)
  }
}
