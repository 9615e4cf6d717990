import GraftTensor

extension Graph: CustomStringConvertible {
  /// The graph as text, with a line for each input, constant, parameter, node and output, and
  /// indented bodies.
  package var description: String { lines().joined(separator: "\n") }

  private func lines() -> [String] {
    var lines = ["graph \(name) {"]
    lines += inputs.map { "  input \(described($0))" }
    for (id, outer) in captures.sorted(by: { $0.key < $1.key }) {
      lines.append("  capture \(described(id)) of value \(outer.index)")
    }
    lines += parameters.keys.sorted().map { "  parameter \(described($0))" }
    lines += constants.keys.sorted().map { id in
      "  constant \(described(id))\(summary(constants[id]))"
    }
    for node in nodes { lines += self.lines(node) }
    lines += outputs.map { "  output \(described($0))" }
    lines += updates.map { "  update \(name($0.parameter)) = \(name($0.newValue))" }
    lines.append("}")
    return lines
  }

  private func lines(_ node: Node) -> [String] {
    let outputs = node.outputs.map { $0.map(described) ?? "_" }.joined(separator: ", ")
    let inputs = node.inputs.map { $0.map(name) ?? "_" }.joined(separator: ", ")
    let attributes = node.attributes.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value.summary)" }
      .joined(separator: ", ")
    let label = node.name.isEmpty ? "" : " '\(node.name)'"
    let braces = attributes.isEmpty ? "" : " {\(attributes)}"
    let line = "  \(outputs) = \(node.qualifiedType)(\(inputs))\(braces)\(label)"
    return [line] + node.bodies.flatMap { $0.lines().map { "    " + $0 } }
  }

  private func name(_ id: ValueID) -> String {
    values.indices.contains(id.index) ? values[id.index].name : "<no value \(id.index)>"
  }

  private func described(_ id: ValueID) -> String {
    guard values.indices.contains(id.index), let type = values[id.index].type else {
      return name(id)
    }
    return "\(name(id)): \(type)"
  }

  /// The elements of a small tensor of integers, which often are shapes or axes.
  private func summary(_ tensor: Tensor?) -> String {
    guard let tensor, tensor.elementCount <= 8, let integers = try? tensor.integers() else {
      return ""
    }
    return tensor.rank == 0 ? " = \(integers[0])" : " = \(integers)"
  }
}

extension Attribute {
  /// A short form of the value.
  fileprivate var summary: String {
    switch self {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .tensor(let value): "\(value.elementType)\(value.shape)"
    case .sparseTensor(let value): "sparse \(value.values.elementType)\(value.shape)"
    case .graph(let value): "graph \(value.name)"
    case .type(let value): "\(value)"
    case .ints(let values): "\(values)"
    case .floats(let values): "\(values)"
    case .strings(let values): "\(values)"
    case .tensors(let values): "\(values.count) tensors"
    case .sparseTensors(let values): "\(values.count) sparse tensors"
    case .graphs(let values): "\(values.count) graphs"
    case .types(let values): "\(values)"
    }
  }
}
