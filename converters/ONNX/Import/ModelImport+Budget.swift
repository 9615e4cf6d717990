import GraftFiles

/// The memory that each inlined call of a function takes. Everything else is covered by its bytes
/// in the file.
extension ModelImport {
  func reserve(_ node: Onnx_NodeProto) throws {
    try budget.reserveInlinedNode()
    try budget.reserve(
      bytes: 512 + 32 * (node.input.count + node.output.count) + 64 * node.metadataProps.count)
  }

  func reserve(_ function: Onnx_FunctionProto) throws {
    try budget.reserve(
      bytes: 512 + 128 * (function.valueInfo.count + function.input.count + function.output.count)
        + 128 * (function.attributeProto.count + function.opsetImport.count))
  }

  func reserve(_ body: Onnx_GraphProto) throws {
    try budget.reserve(
      bytes: 512 + 128 * (body.valueInfo.count + body.input.count + body.output.count)
        + 128 * (body.initializer.count + body.sparseInitializer.count)
        + 64 * body.metadataProps.count + 64 * body.quantizationAnnotation.count)
  }

  /// - Throws: `GraftError` if calls and bodies are nested too deep
  func requireDepth(_ frame: NameFrame) throws {
    guard frame.depth < limits.nesting else {
      throw GraftError.badData("nests calls of functions and bodies deeper than \(limits.nesting)")
    }
  }
}

extension Onnx_AttributeProto {
  /// The memory of a list; tensors and graphs are counted where they are decoded.
  var memoryByteCount: Int {
    let texts = strings.reduce(s.count) { $0 + $1.count }
    return 128 + texts + 8 * ints.count + 4 * floats.count + 16 * strings.count
      + 64 * (tensors.count + sparseTensors.count + graphs.count + typeProtos.count)
  }
}
