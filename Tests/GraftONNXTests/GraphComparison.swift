import GraftGraph
import GraftONNX
import GraftTensor

/// What differs between two graphs that should be the same under the same names; empty if nothing
/// does.
///
/// The order of values in a graph's lists is ignored.
func differences(_ first: Graph, _ second: Graph) -> [String] {
  var differences: [String] = []
  func compare<Part: Equatable>(_ what: String, _ part: (Graph) -> Part) {
    let (a, b) = (part(first), part(second))
    if a != b {
      differences.append("\(what) differ: \("\(a)".prefix(300)) became \("\(b)".prefix(300))")
    }
  }
  func names(_ graph: Graph, _ ids: [ValueID]) -> [String] { ids.map { graph[$0].name } }
  compare("name", \.name)
  compare("documentation", \.documentation)
  compare("metadata", \.metadata)
  compare("domain versions", \.domainVersions)
  compare("inputs") { names($0, $0.inputs) }
  compare("outputs") { names($0, $0.outputs) }
  compare("defaulted inputs") { names($0, $0.defaultedInputs) }
  compare("captures") { names($0, $0.captures.keys.sorted()).sorted() }
  compare("constants") { names($0, Array($0.constants.keys)).sorted() }
  compare("number of nodes", \.nodes.count)
  for (node, copy) in zip(first.nodes, second.nodes) {
    let (a, b) = (describe(node, in: first), describe(copy, in: second))
    if a != b { differences.append("\(a) became \(b)") }
  }
  compare("provenance") { graph in
    var provenance = graph.provenance
    provenance.importedOpset = 0
    provenance.importedIRVersion = 0
    return provenance
  }
  guard differences.isEmpty else { return differences }

  let secondIDs = Dictionary(
    second.values.indices.map { (second.values[$0].name, ValueID($0)) },
    uniquingKeysWith: { first, _ in first })
  for (index, value) in first.values.enumerated() {
    guard let other = secondIDs[value.name] else {
      differences.append("\(value.name) is missing")
      continue
    }
    if value.type != second[other].type || value.documentation != second[other].documentation
      || value.metadata != second[other].metadata
    {
      differences.append("\(value) became \(second[other])")
    }
    if let tensor = first.constants[ValueID(index)], let copy = second.constants[other],
      !areEqual(tensor, copy)
    {
      differences.append("constant \(value.name) has other elements")
    }
  }
  for (node, copy) in zip(first.nodes, second.nodes) {
    for (body, bodyCopy) in zip(node.bodies, copy.bodies) {
      differences += GraftONNXTests.differences(body, bodyCopy).map { "\(node.name): \($0)" }
    }
  }
  return differences
}

func areEqual(_ first: Tensor, _ second: Tensor) -> Bool {
  first.elementType == second.elementType && first.shape == second.shape
    && first.strings == second.strings
    && first.withUnsafeBytes { a in second.withUnsafeBytes { b in a.elementsEqual(b) } }
}

private func describe(_ node: Node, in graph: Graph) -> String {
  let inputs = node.inputs.map { $0.map { graph[$0].name } ?? "_" }
  let outputs = node.outputs.map { $0.map { graph[$0].name } ?? "_" }
  let attributes = node.attributes.sorted { $0.key < $1.key }.map { name, attribute -> String in
    switch attribute {
    case .graph(let graph): "\(name)=graph \(graph.name)"
    case .graphs(let graphs): "\(name)=graphs \(graphs.map(\.name))"
    case .tensor(let tensor):
      "\(name)=\(tensor.elementType)\(tensor.shape)\(tensor.withUnsafeBytes { Array($0) })"
    default: "\(name)=\(attribute)"
    }
  }
  return "\(outputs) = \(node.qualifiedType)\(inputs) \(attributes) \(node.name) "
    + "\(node.documentation) \(node.metadata.sorted { $0.key < $1.key })"
}
