import GraftFiles
import GraftGraph

extension Graph {
  /// The part of the graph between values, as `onnx.utils.extract_model` cuts it out.
  ///
  /// Values keep their identities. A constant among the inputs becomes an input with a default.
  ///
  /// - Parameters:
  ///   - inputs: names of values that become the inputs; by default the graph's own inputs, as far
  ///     as the outputs need them
  ///   - outputs: names of values that become the outputs; by default the graph's own
  /// - Throws: `GraftError` if there is no such value, or the outputs need other inputs as well
  package func submodel(inputs: [String]?, outputs: [String]?) throws -> Graph {
    let names = ValueNames(of: self)
    let starts = try inputs.map { try names.values(of: $0, in: self) }
    let ends = try outputs.map { try names.values(of: $0, in: self) } ?? self.outputs
    var part = Submodel(of: self, from: Set(starts ?? self.inputs), to: ends)
    let ownInputs = Set(self.inputs)
    if let starts {
      try requireInputs(starts, of: part)
      for id in starts where !part.needed.contains(id) && !ownInputs.contains(id) {
        throw GraftError.usage(
          "no output depends on '\(self[id].name)'",
          hint: "Leave it out, or name an output that comes after it")
      }
    }
    for id in starts ?? [] { try requireType(id) }
    if outputs != nil { for id in ends { try requireType(id) } }
    part.graph.outputs = ends
    part.graph.updates = []
    part.graph.inputs = (starts ?? self.inputs.filter(part.needed.contains))
      .filter { constants[$0] == nil && parameters[$0] == nil }
    part.graph.defaultedInputs =
      starts?.filter { constants[$0] != nil || parameters[$0] != nil }
      ?? defaultedInputs.filter(part.needed.contains)
    // Before IR version 4, runtimes took inputs with defaults for constants.
    if starts != nil { part.graph.provenance.importedIRVersion = 0 }
    part.graph.constants = constants.filter { part.needed.contains($0.key) }
    part.graph.parameters = parameters.filter { part.needed.contains($0.key) }
    for id in starts ?? [] {
      if let tensor = constants[id] { part.graph.constants[id] = tensor }
      if let tensor = parameters[id] { part.graph.parameters[id] = tensor }
    }
    return part.graph
  }

  /// - Throws: `GraftError` if a part reads inputs of the whole that are not among `starts`
  private func requireInputs(_ starts: [ValueID], of part: Submodel) throws {
    let missing = inputs.filter { part.needed.contains($0) && !starts.contains($0) }
    guard let first = missing.first else { return }
    let reader = part.graph.outputs.contains(first) ? nil : part.reader(of: first)
    let names = missing.map { "'\(self[$0].name)'" }.listed()
    throw GraftError.usage(
      "the outputs also depend on the model's "
        + "\(missing.count == 1 ? "input" : "inputs") \(names)"
        + (reader.map { ", which \(label($0)) reads" } ?? ""),
      hint: "Add \(missing.count == 1 ? "it" : "them") to --inputs, or name values between")
  }

  private func requireType(_ id: ValueID) throws {
    guard self[id].type == nil else { return }
    throw GraftError.unsupported(
      "the type of '\(self[id].name)' is unknown, as an operator before it is",
      hint: "Cut elsewhere, or add the types with onnx.shape_inference")
  }
}

/// What is needed to compute outputs from inputs.
private struct Submodel {
  /// The graph with the nodes of the part.
  var graph: Graph
  /// All values that are read.
  private(set) var needed: Set<ValueID>

  init(of graph: Graph, from starts: Set<ValueID>, to ends: [ValueID]) {
    self.graph = graph
    needed = Set(ends)
    var kept: [Node] = []
    for var node in graph.nodes.reversed() {
      let isNeeded = node.outputs.contains { output in
        output.map { needed.contains($0) && !starts.contains($0) } ?? false
      }
      guard isNeeded else { continue }
      // The node computes this value, but the part takes it from its caller.
      for (index, output) in node.outputs.enumerated() {
        guard let output, starts.contains(output) else { continue }
        let value = graph[output]
        node.outputs[index] = self.graph.addValue(name: "\(value.name)/unused", type: value.type)
      }
      needed.formUnion(node.reads)
      kept.append(node)
    }
    self.graph.nodes = kept.reversed()
  }

  /// The first node that reads a value.
  func reader(of id: ValueID) -> Node? { graph.nodes.first { $0.reads.contains(id) } }
}

/// The values of a graph by name.
private struct ValueNames {
  private var values: [ByteString: ValueID] = [:]

  init(of graph: Graph) {
    let own = graph.inputs + graph.defaultedInputs
    let computed = graph.nodes.flatMap { $0.outputs.compactMap { $0 } }
    let stored = graph.constants.keys.sorted() + graph.parameters.keys.sorted()
    for id in own + computed + stored where values[graph[id].name] == nil {
      values[ByteString(graph[id].name)] = id
    }
  }

  /// The values that a list names: names, or several names with commas between them.
  func values(of list: [String], in graph: Graph) throws -> [ValueID] {
    // A name may have commas itself.
    let names = list.flatMap { item in
      values[ByteString(item)] != nil
        ? [item] : item.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    var found: [ValueID] = []
    var missing: [String] = []
    for name in names {
      guard let id = values[ByteString(name)] else {
        missing.append(name)
        continue
      }
      guard !found.contains(id) else { throw GraftError.usage("'\(name)' is named twice") }
      found.append(id)
    }
    guard let first = missing.first else { return found }
    let quoted = missing.map { "'\($0)'" }.listed()
    throw GraftError.usage(
      "the model has no \(missing.count == 1 ? "value" : "values") \(quoted)",
      hint: hint(for: first, in: graph))
  }

  private func hint(for name: String, in graph: Graph) -> String {
    let wanted = ByteString(name)
    if let node = graph.nodes.first(where: { ByteString($0.name) == wanted }) {
      let outputs = node.outputs.compactMap { $0.map { "'\(graph[$0].name)'" } }
      return "'\(name)' is a node, which computes \(outputs.listed())"
    }
    for node in graph.nodes where node.bodies.contains(where: { $0.hasValue(named: wanted) }) {
      return "'\(name)' is inside \(graph.label(node)), which can only be cut out as a whole"
    }
    let texts = values.keys.map(\.text)
    return nearestNamesHint(name, among: texts)
      ?? "`graft inspect` lists the values: \(texts.sorted().listed(limit: 5))"
  }
}

extension Graph {
  /// Whether the graph or a body in it has a value of a name.
  fileprivate func hasValue(named name: ByteString) -> Bool {
    values.contains { ByteString($0.name) == name }
      || nodes.contains { $0.bodies.contains { $0.hasValue(named: name) } }
  }
}
