import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftTensor

extension Graph {
  /// A digest of everything that a network's results depend on: operators, attributes, constants
  /// and connections, but not names and metadata.
  package func contentDigest(threads: Int) throws -> SHA256Digest {
    let text = NetworkText()
    text.add(self) { _ in "-" }
    let constants = text.constants
    let digests = try ThreadPool.shared.map(constants.count, threads: threads) { index in
      try constants[index].contentDigest()
    }
    for (constant, digest) in zip(constants, digests) {
      text.lines.append("\(constant.elementType)\(constant.shape) \(digest.hexadecimal)")
    }
    return try SHA256Digest(of: text.lines.joined(separator: "\n"))
  }
}

extension Tensor {
  fileprivate func contentDigest() throws -> SHA256Digest {
    guard elementType != .string else {
      return try SHA256Digest(of: String(reflecting: strings))
    }
    return try SHA256Digest { update in withUnsafeBytes { update($0) } }
  }
}

/// A network as text, with its constants separate.
private final class NetworkText {
  var lines: [String] = []
  private(set) var constants: [Tensor] = []

  /// - Parameter outer: the names of the enclosing graph's values
  func add(_ graph: Graph, outer: (ValueID?) -> String) {
    var numbers: [ValueID: Int] = [:]
    func name(_ id: ValueID?) -> String {
      guard let id else { return "-" }
      if let number = numbers[id] { return "\(number)" }
      let number = numbers.count
      numbers[id] = number
      if let constant = graph.constants[id] { return "\(number)=\(self.constant(constant))" }
      if let captured = graph.captures[id] { return "\(number)=outer \(outer(captured))" }
      return "\(number)"
    }
    func names(_ ids: [ValueID?]) -> String { "\(ids.map { name($0) })" }
    lines.append("inputs \(names(graph.inputs))")
    for node in graph.nodes {
      var words = ["\(node.qualifiedType) \(names(node.inputs)) \(names(node.outputs))"]
      for (key, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
        words.append("\(String(reflecting: key.text)) \(text(attribute) { name($0) })")
      }
      lines.append(words.joined(separator: ", "))
    }
    lines.append("outputs \(names(graph.outputs))")
  }

  private func constant(_ tensor: Tensor) -> String {
    constants.append(tensor)
    return "constant \(constants.count - 1)"
  }

  private func text(_ attribute: Attribute, _ outer: (ValueID?) -> String) -> String {
    switch attribute {
    case .int(let value): "\(value)"
    case .float(let value): "\(value.bitPattern)"
    case .string(let text): String(reflecting: text)
    case .tensor(let tensor): constant(tensor)
    case .sparseTensor(let tensor): self.text(tensor)
    case .graph(let body): text(body, outer)
    case .type(let type): type.description
    case .ints(let values): "\(values)"
    case .floats(let values): "\(values.map(\.bitPattern))"
    case .strings(let texts): String(reflecting: texts)
    case .tensors(let tensors): "\(tensors.map(constant))"
    case .sparseTensors(let tensors): "\(tensors.map { self.text($0) })"
    case .graphs(let bodies): "\(bodies.map { text($0, outer) })"
    case .types(let types): "\(types.map(\.description))"
    }
  }

  private func text(_ tensor: SparseTensor) -> String {
    "sparse \(tensor.shape) \(constant(tensor.values)) \(constant(tensor.indices))"
  }

  /// The body of a node, whose lines come before the node's own.
  private func text(_ body: Graph, _ outer: (ValueID?) -> String) -> String {
    lines.append("body")
    add(body, outer: outer)
    lines.append("end")
    return "body"
  }
}
