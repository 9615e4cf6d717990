import GraftOperators

extension ModelImport {
  /// Puts the nodes of a model-local function where it is called.
  func inline(
    _ function: Onnx_FunctionProto, _ key: FunctionKey, callNode: Onnx_NodeProto,
    into frame: NameFrame
  ) throws {
    if let call = frame.call {
      guard !call.isInside(key) else {
        throw GraftError.badData("calls the function '\(key.name)' from within itself")
      }
      guard call.depth < limits.callDepth else {
        throw GraftError.badData("nests calls of functions deeper than \(limits.callDepth)")
      }
    }
    inlinedNodeCount += function.node.count
    guard inlinedNodeCount <= limits.inlinedNodes else {
      throw GraftError.badData(
        "grows by more than \(limits.inlinedNodes) nodes by inlining functions")
    }
    let call = FunctionCall(
      function: function, key: key, prefix: frame.graphName(uniquePrefix(of: callNode)),
      attributes: try attributes(of: function, callNode: callNode, in: frame), caller: frame.call)
    let inner = NameFrame(
      level: frame.level, outer: nil, call: call, opsets: try opsets(of: function, in: frame))
    for declaration in function.valueInfo { inner.declarations[declaration.name] = declaration }

    let arguments = try inputs(of: callNode, in: frame)
    guard arguments.count <= function.input.count else {
      throw GraftError.badData(
        "has \(arguments.count) inputs; the function takes \(function.input.count)")
    }
    for (index, parameter) in function.input.enumerated() {
      let argument = index < arguments.count ? arguments[index] : nil
      try inner.define(parameter, argument.map { .value($0) } ?? .absent)
    }
    let results = try outputs(of: callNode, in: frame)
    guard results.count <= function.output.count else {
      throw GraftError.badData(
        "has \(results.count) outputs; the function gives \(function.output.count)")
    }
    for (name, result) in zip(function.output, results) {
      if let result, inner.reserved[name] == nil { inner.reserved[name] = result }
    }

    try importNodes(function.node, into: inner)

    for (name, result) in zip(function.output, results) {
      guard let result else { continue }
      guard case .value(let value)? = inner.resolve(name) else {
        throw GraftError.badData("is a function whose output '\(name)' nothing computes")
      }
      // An input passed through, or one value under two names.
      guard value != result else { continue }
      try frame.level.upgrader.append(
        Node(operatorType: "Identity", inputs: [value], outputs: [result]),
        opset: ONNXImporter.newestOpset)
    }
  }

  /// What the caller gives, else the function's defaults.
  private func attributes(
    of function: Onnx_FunctionProto, callNode: Onnx_NodeProto, in frame: NameFrame
  ) throws -> [String: Onnx_AttributeProto] {
    let defaults = function.attributeProto.map { ($0.name, $0) }
    let given = try resolvedAttributes(of: callNode, in: frame).map { ($0.name, $0) }
    return Dictionary(defaults + given, uniquingKeysWith: { _, last in last })
  }

  private func opsets(
    of function: Onnx_FunctionProto, in frame: NameFrame
  ) throws -> [String: Int] {
    let own = try opsetVersions(function.opsetImport)
    return frame.opsets.merging(own, uniquingKeysWith: { _, own in own })
  }

  /// A prefix for the names of a call that no other call has.
  private func uniquePrefix(of callNode: Onnx_NodeProto) -> String {
    let name =
      callNode.name.isEmpty
      ? callNode.output.first { !$0.isEmpty } ?? callNode.opType : callNode.name
    var number = prefixNumbers[name] ?? 1
    var prefix: String
    repeat {
      prefix = number == 1 ? "\(name)/" : "\(name)_\(number)/"
      number += 1
    } while !usedPrefixes.insert(prefix).inserted
    prefixNumbers[name] = number
    return prefix
  }
}
