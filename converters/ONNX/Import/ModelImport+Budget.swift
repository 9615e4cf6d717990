import GraftFiles
import GraftGraph

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

  /// Counts the nodes that inlining all calls adds, without inlining anything: functions that call
  /// each other twice double with each.
  ///
  /// - Throws: `GraftError` if they are too many
  func requireFewInlinedNodes() throws {
    guard !functions.isEmpty else { return }
    var counts: [FunctionName: Int] = [:]
    // A chain that is deeper than the limit is an error of its own, as is a function that calls
    // itself.
    func count(_ nodes: [Onnx_NodeProto], isInlined: Bool, depth: Int) throws -> Int {
      var total = 0
      var calls: [FunctionName] = []
      nodes.forEachNode { node in
        if isInlined { total += 1 }
        let name = FunctionName(node)
        if functions[name] != nil { calls.append(name) }
      }
      guard depth <= limits.nesting else { return total }
      for name in calls {
        if counts[name] == nil, let function = functions[name] {
          counts[name] = 0
          counts[name] = try count(function.node, isInlined: true, depth: depth + 1)
        }
        total += counts[name] ?? 0
        try budget.requireInlinedNodes(total)
      }
      return total
    }
    _ = try count(model.graph.node, isInlined: false, depth: 0)
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
