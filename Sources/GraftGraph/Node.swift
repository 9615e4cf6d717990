import GraftFiles

/// One application of an operator.
package struct Node: Sendable {
  package var name: String
  package var operatorType: String
  /// Empty for ONNX's own operators, `graft` for Graft's own.
  package var domain: String
  /// `nil` where an optional input is left out.
  package var inputs: [ValueID?]
  /// `nil` where an optional output is not wanted.
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

  /// The operator as ONNX writes it: `Conv`, `ai.onnx.ml.Scaler`.
  package var qualifiedType: String { domain.isEmpty ? operatorType : "\(domain).\(operatorType)" }

  /// The operator as messages name it: Graft's own forms of an operator, fused or of another memory layout,
  /// by the name that the model has for it.
  package var displayType: String {
    guard domain == "graft" else { return qualifiedType }
    for prefix in ["Fused", "Blocked"] where operatorType.hasPrefix(prefix) {
      return String(operatorType.dropFirst(prefix.count))
    }
    return operatorType
  }

  /// The graphs among the attributes, by attribute name.
  package var bodies: [Graph] {
    attributes.sorted { $0.key < $1.key }.flatMap { _, attribute -> [Graph] in
      switch attribute {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }
}

extension Graph {
  /// How messages name a node: its operator and its name, or that of its first output.
  package func label(_ node: Node) -> String {
    if !node.name.isEmpty { return "\(node.displayType) '\(node.name)'" }
    guard let output = node.outputs.lazy.compactMap({ $0 }).first else {
      return node.displayType
    }
    return "\(node.displayType) of '\(self[output].name)'"
  }
}
