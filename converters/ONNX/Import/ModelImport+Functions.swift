import GraftFiles
import GraftGraph
import GraftOperators

extension ModelImport {
  /// Inlines a call of a model-local function.
  func inline(
    _ function: Onnx_FunctionProto, _ key: FunctionName, callNode: Onnx_NodeProto,
    into frame: NameFrame
  ) throws {
    if let call = frame.call {
      guard !call.isInside(key) else {
        throw GraftError.badData("calls the function '\(key.name)' from within itself")
      }
    }
    try requireDepth(frame)
    try reserve(function)
    let call = FunctionCall(
      function: function, key: key, prefix: try frame.graphName(uniquePrefix(of: callNode)),
      attributes: try attributes(of: function, callNode: callNode, in: frame), caller: frame.call,
      budget: budget)
    let inner = NameFrame(
      level: frame.level, outer: nil, call: call, opsets: try opsets(of: function, in: frame),
      depth: frame.depth + 1)
    for declaration in function.valueInfo { inner.declarations[declaration.name] = declaration }

    let arguments = try inputs(of: callNode, in: frame)
    guard arguments.count <= function.input.count else {
      throw GraftError.badData(
        "has \(arguments.count) inputs; the function has \(function.input.count)")
    }
    for (index, parameter) in function.input.enumerated() {
      let argument = index < arguments.count ? arguments[index] : nil
      try inner.define(parameter, argument.map { .value($0) } ?? .absent)
    }
    let results = try outputs(of: callNode, in: frame)
    guard results.count <= function.output.count else {
      throw GraftError.badData(
        "has \(results.count) outputs; the function has \(function.output.count)")
    }
    for (name, result) in zip(function.output, results) {
      if let result, inner.reserved[name] == nil { inner.reserved[name] = result }
    }

    try importNodes(function.node, into: inner)

    for (name, result) in zip(function.output, results) {
      guard let result else { continue }
      guard case .value(let value)? = inner.resolve(name) else {
        throw GraftError.badData("is a function that does not compute its output '\(name)'")
      }
      // A passed-through input, or one value with two names.
      guard value != result else { continue }
      try frame.level.upgrader.append(
        Node(operatorType: "Identity", inputs: [value], outputs: [result]),
        opset: ONNXImporter.newestOpset)
    }
  }

  /// The caller's attributes, or else the function's defaults.
  private func attributes(
    of function: Onnx_FunctionProto, callNode: Onnx_NodeProto, in frame: NameFrame
  ) throws -> [ByteString: Onnx_AttributeProto] {
    let defaults = function.attributeProto.map { (ByteString($0.name), $0) }
    let given = try resolvedAttributes(of: callNode, in: frame).map { (ByteString($0.name), $0) }
    try budget.reserve(bytes: 128 * given.count)
    return Dictionary(defaults + given, uniquingKeysWith: { _, last in last })
  }

  private func opsets(
    of function: Onnx_FunctionProto, in frame: NameFrame
  ) throws -> [ByteString: Int] {
    let own = try opsetVersions(function.opsetImport)
    let merged = frame.opsets.merging(own, uniquingKeysWith: { _, own in own })
    try budget.reserve(bytes: 64 * merged.count)
    return merged
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
    } while !usedPrefixes.insert(ByteString(prefix)).inserted
    prefixNumbers[name] = number
    return prefix
  }
}
