import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// Converts the nodes of a graph to the forms of an older opset.
struct GraphDowngrader {
  /// The opset of `ai.onnx` to write.
  let opset: Int
  /// The versions to write of ONNX's other domains.
  let domainVersions: [ByteString: Int]
  /// The opset of the file that the graph came from; 0 if it came from none.
  let importedOpset: Int
  /// Whether one node may become several; only if the user chose the opset.
  let allowsExtraNodes: Bool

  /// Why a graph cannot be written.
  struct Obstacle: Error {
    /// The node, as messages name it.
    let label: String
    /// The node's domain.
    let domain: ByteString
    /// The next higher version of the domain that can express the node; `nil` if there is none.
    let nextVersion: Int?
    let reason: String
  }

  /// The graph with its nodes as the opset has them. The types of its values must be inferred.
  ///
  /// - Throws: ``Obstacle`` naming the node that the opset cannot express
  func downgraded(_ graph: Graph) throws -> Graph {
    var builder = Builder(downgrader: self, graph: graph)
    for node in graph.nodes {
      do {
        try builder.append(node)
      } catch let error as GraftError {
        throw Obstacle(
          label: graph.label(node), domain: ByteString(node.domain),
          nextVersion: nextVersion(for: node, in: graph), reason: error.message)
      }
    }
    return builder.finish(graph)
  }

  /// The version of a domain to write; `nil` for domains that are not ONNX's.
  private func version(ofDomain domain: String) -> Int? {
    domain.isEmpty ? opset : domainVersions[domain]
  }

  private func nextVersion(for node: Node, in graph: Graph) -> Int? {
    // A node of an operator unknown to Graft is never converted.
    let domain = ByteString(node.domain)
    guard let version = version(ofDomain: node.domain), OperatorCatalog.type(of: node) != nil,
      let newest = OperatorVersion.newest(ofDomain: domain), version < newest
    else { return nil }
    return (version + 1...newest).first { version in
      let downgrader = GraphDowngrader(
        opset: node.domain.isEmpty ? version : opset,
        domainVersions: node.domain.isEmpty
          ? domainVersions : domainVersions.merging([domain: version]) { $1 },
        importedOpset: importedOpset, allowsExtraNodes: allowsExtraNodes)
      var builder = Builder(downgrader: downgrader, graph: graph)
      return (try? builder.append(node)) != nil
    }
  }

  /// A graph under construction.
  private struct Builder {
    let downgrader: GraphDowngrader
    private(set) var graph: Graph
    private let oldValueCount: Int

    init(downgrader: GraphDowngrader, graph: Graph) {
      self.downgrader = downgrader
      self.graph = graph
      self.graph.nodes = []
      oldValueCount = graph.values.count
    }

    /// The graph without constants that only the newest forms read.
    func finish(_ original: Graph) -> Graph {
      var graph = graph
      let before = original.useCounts()
      let after = graph.useCounts()
      let kept = Set(graph.defaultedInputs)
      for id in graph.constants.keys where after[id] == nil && !kept.contains(id) {
        if id.index >= oldValueCount || before[id] != nil { graph.constants[id] = nil }
      }
      return graph
    }

    /// Appends a node of the newest form.
    mutating func append(_ node: Node) throws {
      var node = node
      for (name, attribute) in node.attributes {
        switch attribute {
        case .graph(let body): node.attributes[name] = .graph(try downgrader.downgraded(body))
        case .graphs(let bodies):
          node.attributes[name] = .graphs(try bodies.map(downgrader.downgraded))
        default: break
        }
      }
      guard let opset = downgrader.version(ofDomain: node.domain) else {
        graph.nodes.append(node)
        return
      }
      guard let type = OperatorCatalog.type(of: node) else {
        return try appendUnknown(node, opset: opset)
      }
      if opset < type.schema.sameSince { return try downgrade(node, type, to: opset) }
      try appendChecked(node, opset: opset)
    }

    private mutating func downgrade(
      _ node: Node, _ type: any Operator.Type, to opset: Int
    ) throws {
      let valueCount = graph.values.count
      var context = DowngradeContext(
        graph: graph, opset: opset,
        importedOpset: node.domain.isEmpty ? downgrader.importedOpset : 0,
        allowsExtraNodes: downgrader.allowsExtraNodes)
      var downgraded = node
      try type.downgrade(&downgraded, to: opset, in: &context)
      graph = context.graph
      nameValues(from: valueCount, after: node)
      for extra in context.nodesBefore { try appendExtra(extra) }
      if downgraded.qualifiedType == node.qualifiedType {
        try appendChecked(downgraded, opset: opset)
      } else {
        try append(downgraded)
      }
      for extra in context.nodesAfter { try appendExtra(extra) }
    }

    /// Appends a node that a downgrade added: its types are not inferred yet.
    private mutating func appendExtra(_ node: Node) throws {
      let types = try graph.inferredTypes(of: node) { graph.constants[$0] }
      for (output, type) in zip(node.outputs, types) {
        guard let output, let type, graph[output].type == nil else { continue }
        graph[output].type = type
      }
      try append(node)
    }

    private mutating func nameValues(from first: Int, after node: Node) {
      guard first < graph.values.count,
        let output = node.outputs.lazy.compactMap({ $0 }).first
      else { return }
      for index in first..<graph.values.count {
        graph.values[index].name = "\(graph[output].name)/\(node.operatorType)_\(index - first)"
      }
    }

    /// Appends a node in the form of a version of its domain.
    private mutating func appendChecked(_ node: Node, opset: Int) throws {
      let history = OperatorVersion.history(of: node.qualifiedType)
      guard let version = history.last(where: { $0.version <= opset }) else {
        throw GraftError.unsupported("the operator is newer")
      }
      guard !version.isRemoval else {
        throw GraftError.unsupported("version \(version.version) removed the operator")
      }
      var node = node
      let newest = history.last { !$0.isRemoval }
      for (name, attribute) in node.attributes where !version.attributes.contains(name) {
        if newest?.isDefault(name, attribute) ?? false { node.attributes[name] = nil }
      }
      while node.inputs.last == .some(nil) { node.inputs.removeLast() }
      guard version.accepts(node, in: graph) else {
        throw GraftError.unsupported("its attributes, inputs or element types are newer")
      }
      graph.nodes.append(node)
    }

    /// A node of an operator unknown to Graft keeps its imported form.
    private mutating func appendUnknown(_ node: Node, opset: Int) throws {
      let history = OperatorVersion.history(of: node.qualifiedType)
      let imported = node.domain.isEmpty ? downgrader.importedOpset : 0
      if imported > 0, !history.isEmpty, opset != imported {
        let old = history.last { $0.version <= imported }
        guard old?.version == history.last(where: { $0.version <= opset })?.version else {
          throw GraftError.unsupported(
            "Graft does not know it and can only write it as in opset \(imported)")
        }
      }
      graph.nodes.append(node)
    }
  }
}
