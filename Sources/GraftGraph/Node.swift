import GraftFiles

/// One application of an operator.
package struct Node: Sendable {
  package var name: String
  package var operatorType: String
  /// Empty for ONNX's own operators, `graft` for Graft's own.
  package var domain: String
  /// Which of several functions of this name a call means; empty for operators.
  package var overload = ""
  /// `nil` for an omitted optional input.
  package var inputs: [ValueID?]
  /// `nil` for an unused optional output.
  package var outputs: [ValueID?]
  package var attributes: [ByteString: Attribute]
  package var documentation: String
  package var metadata: [ByteString: String]

  package init(
    name: String = "", operatorType: String, domain: String = "", inputs: [ValueID?],
    outputs: [ValueID?], attributes: [ByteString: Attribute] = [:], documentation: String = "",
    metadata: [ByteString: String] = [:]
  ) {
    self.name = name
    self.operatorType = operatorType
    self.domain = domain
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.documentation = documentation
    self.metadata = metadata
  }

  /// The operator in ONNX's notation: `Conv`, `ai.onnx.ml.Scaler`.
  package var qualifiedType: String { domain.isEmpty ? operatorType : "\(domain).\(operatorType)" }

  /// The operator's name in messages; for Graft's fused and blocked forms, the model's name.
  package var displayType: String {
    guard domain == "graft" else { return qualifiedType }
    for prefix in ["Fused", "Blocked"] where operatorType.hasPrefix(prefix) {
      return String(operatorType.dropFirst(prefix.count))
    }
    return operatorType
  }

  /// The graphs among the attributes, in the order of the attributes' names.
  package var bodies: [Graph] {
    attributes.sorted { $0.key < $1.key }.flatMap { _, attribute -> [Graph] in
      switch attribute {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }

  /// Everything that it reads, including for its bodies.
  package var reads: [ValueID] {
    guard !attributes.isEmpty else { return inputs.compactMap { $0 } }
    return inputs.compactMap { $0 } + bodies.flatMap { $0.captures.values.sorted() }
  }
}

extension Graph {
  /// A node's name in messages: its operator, and its name or that of its first output.
  package func label(_ node: Node) -> String {
    if !node.name.isEmpty { return "\(node.displayType) '\(node.name)'" }
    guard let output = node.outputs.lazy.compactMap({ $0 }).first else {
      return node.displayType
    }
    return "\(node.displayType) of '\(self[output].name)'"
  }
}
