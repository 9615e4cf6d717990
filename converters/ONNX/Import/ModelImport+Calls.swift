import GraftFiles
import GraftGraph
import GraftOperators

/// Calls that stay calls of functions.
extension ModelImport {
  /// Appends a call. What the function computes is imported on the side, to know its types.
  func keep(
    _ function: Onnx_FunctionProto, _ key: FunctionName, callNode: Onnx_NodeProto,
    into frame: NameFrame
  ) throws {
    var node = Node(
      name: callNode.name, operatorType: callNode.opType, domain: key.domain.text,
      inputs: try inputs(of: callNode, in: frame), outputs: [],
      attributes: try attributes(of: callNode, in: frame), documentation: callNode.docString,
      metadata: dictionary(callNode.metadataProps))
    node.overload = callNode.overload
    let inner = NameFrame(
      level: level(name: function.name, isBody: frame.outer != nil), outer: nil, call: nil,
      opsets: frame.opsets, depth: frame.depth + 1)
    for case (let name, let argument?) in zip(callNode.input, node.inputs)
    where !inner.defines(name) {
      let value = frame.level.graph[argument]
      let id = inner.level.graph.addValue(name: value.name, type: value.type)
      inner.level.graph.inputs.append(id)
      inner.level.upgrader.setContents(id, frame.level.upgrader.contents(argument))
      try inner.define(name, .value(id))
    }
    try inline(function, key, callNode: callNode, into: inner)
    node.outputs = try outputs(of: callNode, in: frame)
    for case (let name, let output?) in zip(callNode.output, node.outputs) {
      guard case .value(let result)? = inner.resolve(name) else { continue }
      let declared = frame.level.graph[output].type
      if let type = inner.level.graph[result].type, declared == nil || type.tensor?.shape != nil {
        frame.level.graph[output].type = type
      }
      frame.level.upgrader.setContents(output, inner.level.upgrader.contents(result))
    }
    frame.level.graph.nodes.append(node)
  }

  /// - Throws: `GraftError` if a function has the name of an operator, whose nodes in the written
  ///   file would be calls
  func requireOwnNames() throws {
    for name in functions.keys
    where OperatorCatalog.type(name.name.text, domain: name.domain.text) != nil {
      throw GraftError.unsupported(
        "the function '\(name.qualifiedName)' has the name of an operator, so that functions "
          + "cannot stay",
        hint: "Omit --keep-functions")
    }
  }

  /// The functions that the model's nodes call, directly or through others, in the file's order.
  func calledFunctions() throws -> [KeptFunction] {
    var called: Set<FunctionName> = []
    var open = calls(of: model.graph.node)
    while let name = open.popFirst() {
      guard called.insert(name).inserted, let function = functions[name] else { continue }
      open.formUnion(calls(of: function.node))
    }
    return try model.functions.compactMap { function in
      let name = FunctionName(function)
      guard called.contains(name) else { return nil }
      return try withPlace("function '\(name.qualifiedName)'") {
        KeptFunction(
          name: name, callees: calls(of: function.node), irVersion: Int(model.irVersion),
          definition: try decoder.definition(function))
      }
    }
  }

  private func calls(of nodes: [Onnx_NodeProto]) -> Set<FunctionName> {
    var calls: Set<FunctionName> = []
    nodes.forEachNode { node in
      let name = FunctionName(node)
      if functions[name] != nil { calls.insert(name) }
    }
    return calls
  }
}

extension FunctionName {
  init(_ function: Onnx_FunctionProto) {
    self.init(
      domain: ByteString(canonicalDomain(function.domain)), name: ByteString(function.name),
      overload: ByteString(function.overload))
  }

  /// The function that a node calls, if there is one.
  init(_ node: Onnx_NodeProto) {
    self.init(
      domain: ByteString(canonicalDomain(node.domain)), name: ByteString(node.opType),
      overload: ByteString(node.overload))
  }

  /// With its domain and its overload, as in `local.Twice` or `local.Twice:float`.
  var qualifiedName: ByteString {
    let name = domain.text.isEmpty ? name.text : "\(domain).\(name)"
    return ByteString(overload.text.isEmpty ? name : "\(name):\(overload)")
  }
}

extension [Onnx_NodeProto] {
  /// Calls `body` with each node, and with those in their bodies.
  func forEachNode(_ body: (Onnx_NodeProto) -> Void) {
    for node in self {
      body(node)
      for attribute in node.attribute {
        if attribute.hasG { attribute.g.node.forEachNode(body) }
        for graph in attribute.graphs { graph.node.forEachNode(body) }
      }
    }
  }
}
