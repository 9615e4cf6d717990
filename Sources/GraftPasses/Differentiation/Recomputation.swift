import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// Trades time for memory: activations for the backward pass are recomputed shortly before their
/// use, from few stored values. The values are bit for bit the same.
///
/// The forward pass is divided where a single activation crosses. Some of these places are chosen
/// so that the activations stored there, plus those of the largest stretch between two of them,
/// take the least memory.
///
/// Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016),
/// <https://arxiv.org/abs/1604.06174>
package enum Recomputation {
  /// - Parameters:
  ///   - graph: with known types; the first `forwardCount` nodes are the forward pass, later ones
  ///     read it
  ///   - forwardCount: the number of nodes before ``GradientPass`` appended to the graph
  /// - Throws: `GraftError` if a node's attributes are invalid
  package static func apply(to graph: inout Graph, forwardCount: Int) throws {
    let activations = try Activations(graph, forwardCount: forwardCount)
    // The part after the last place is read at once, and stored.
    let stretches = activations.stretches().dropLast()
    guard !stretches.isEmpty else { return }
    var copies: [Int: [Node]] = [:]
    var copied: [ValueID: ValueID] = [:]
    for stretch in stretches {
      guard let copy = activations.copy(of: stretch, in: &graph) else { continue }
      copies[copy.firstReader, default: []] += copy.nodes
      copied.merge(copy.values) { $1 }
    }
    var nodes = Array(graph.nodes[..<forwardCount])
    for index in forwardCount..<graph.nodes.count {
      nodes += copies[index] ?? []
      var node = graph.nodes[index]
      node.inputs = node.inputs.map { $0.map { copied[$0] ?? $0 } }
      nodes.append(node)
    }
    graph.nodes = nodes
  }
}

/// The activations of the forward pass, and their use in the backward pass.
private struct Activations {
  let nodes: [Node]
  let forwardCount: Int
  /// The bytes of floating-point values in the forward pass, for one image.
  let byteCounts: [ValueID: Int]
  /// For values of the forward pass, the first reader in the backward pass.
  let firstReaders: [ValueID: Int]
  /// Whether each node may run twice.
  let isRepeatable: [Bool]
  /// The places where a single activation crosses: the node before it, and that activation.
  let places: [(node: Int, value: ValueID)]

  init(_ graph: Graph, forwardCount: Int) throws {
    nodes = graph.nodes
    self.forwardCount = forwardCount
    isRepeatable = try nodes[..<forwardCount].map {
      try $0.bodies.isEmpty && OperatorCatalog.make($0).isDeterministic
    }
    var byteCounts: [ValueID: Int] = [:]
    var computed = Set(graph.inputs)
    var lastReaders: [ValueID: Int] = [:]
    for (index, node) in nodes[..<forwardCount].enumerated() {
      var isComputed = false
      for input in node.reads where computed.contains(input) {
        lastReaders[input] = index
        isComputed = true
      }
      guard isComputed else { continue }
      for case let output? in node.outputs {
        computed.insert(output)
        byteCounts[output] = graph.bytesOfImage(output)
      }
    }
    for output in graph.outputs { lastReaders[output] = forwardCount }
    var firstReaders: [ValueID: Int] = [:]
    for index in forwardCount..<nodes.count {
      for input in nodes[index].reads where firstReaders[input] == nil {
        firstReaders[input] = index
      }
    }
    var living: Set<ValueID> = []
    var places: [(node: Int, value: ValueID)] = []
    for (index, node) in nodes[..<forwardCount].enumerated() {
      for case let output? in node.outputs
      where byteCounts[output] != nil && lastReaders[output] != nil {
        living.insert(output)
      }
      for input in node.reads where lastReaders[input] == index { living.remove(input) }
      if living.count == 1, let value = living.first { places.append((index, value)) }
    }
    self.byteCounts = byteCounts
    self.firstReaders = firstReaders
    self.places = places
  }

  /// The nodes between two places, without the stored value at the upper one.
  struct Stretch {
    let nodes: Range<Int>
    let kept: ValueID?
  }

  /// The number of limits to try for the largest stretch.
  private static let limitCount = 64

  /// The whole forward pass, divided so that stored values and the largest stretch take the least
  /// memory.
  func stretches() -> [Stretch] {
    var best: (byteCount: Int, chosen: [Int]) = (readBytes(0..<forwardCount, except: nil), [])
    let total = best.byteCount
    for step in 1..<Activations.limitCount {
      let chosen = placesLimiting(stretch: total / Activations.limitCount * step)
      let cut = cut(at: chosen)
      let byteCount =
        cut.reduce(0) { $0 + ($1.kept.flatMap { byteCounts[$0] } ?? 0) }
        + (cut.map { readBytes($0.nodes, except: $0.kept) }.max() ?? 0)
      if byteCount < best.byteCount { best = (byteCount, chosen) }
    }
    return cut(at: best.chosen)
  }

  /// Places by index, so that no stretch exceeds a number of bytes if that is possible.
  private func placesLimiting(stretch limit: Int) -> [Int] {
    var chosen: [Int] = []
    var start = 0
    var (byteCount, counted) = (0, 0)
    for (position, place) in places.enumerated() {
      byteCount += readBytes(counted..<place.node + 1, except: nil)
      counted = place.node + 1
      guard byteCount > limit, position > 0, places[position - 1].node >= start else { continue }
      chosen.append(position - 1)
      start = places[position - 1].node + 1
      byteCount = readBytes(start..<counted, except: nil)
    }
    return chosen
  }

  private func cut(at chosen: [Int]) -> [Stretch] {
    var stretches: [Stretch] = []
    var start = 0
    for place in chosen.map({ places[$0] }) {
      stretches.append(Stretch(nodes: start..<place.node + 1, kept: place.value))
      start = place.node + 1
    }
    return stretches + [Stretch(nodes: start..<forwardCount, kept: nil)]
  }

  /// The bytes of these nodes' values that the backward pass reads.
  private func readBytes(_ range: Range<Int>, except kept: ValueID?) -> Int {
    nodes[range].reduce(0) { sum, node in
      node.outputs.reduce(sum) { sum, output in
        guard let output, output != kept, firstReaders[output] != nil else { return sum }
        return sum + (byteCounts[output] ?? 0)
      }
    }
  }

  struct Copy {
    /// The node of the backward pass before which they belong.
    let firstReader: Int
    let nodes: [Node]
    /// The copies of values for the backward pass.
    let values: [ValueID: ValueID]
  }

  /// Copies of nodes that recompute a stretch's values for the backward pass; `nil` if it reads
  /// none.
  func copy(of stretch: Stretch, in graph: inout Graph) -> Copy? {
    var wanted: Set<ValueID> = []
    var firstReader = nodes.count
    for index in stretch.nodes where isRepeatable[index] {
      for case let output? in nodes[index].outputs where output != stretch.kept {
        guard byteCounts[output] != nil, let reader = firstReaders[output] else { continue }
        wanted.insert(output)
        firstReader = min(firstReader, reader)
      }
    }
    guard !wanted.isEmpty else { return nil }
    var repeated: [Int] = []
    var needed = wanted
    for index in stretch.nodes.reversed() where isRepeatable[index] {
      let outputs = nodes[index].outputs.compactMap { $0 }
      guard outputs.contains(where: { needed.contains($0) && byteCounts[$0] != nil }) else {
        continue
      }
      repeated.append(index)
      for input in nodes[index].reads where input != stretch.kept { needed.insert(input) }
    }
    var values: [ValueID: ValueID] = [:]
    var copies: [Node] = []
    let within = Set(repeated.flatMap { nodes[$0].outputs.compactMap { $0 } })
    for index in repeated.reversed() {
      var node = nodes[index]
      for input in node.reads where values[input] == nil && !within.contains(input) {
        guard byteCounts[input] != nil || graph.inputs.contains(input) else { continue }
        let entry = graph.addValue(
          name: "\(graph[input].name)/kept", type: graph[input].type)
        copies.append(
          Node(operatorType: "Recomputed", domain: "graft", inputs: [input], outputs: [entry]))
        values[input] = entry
      }
      node.inputs = node.inputs.map { $0.map { values[$0] ?? $0 } }
      node.outputs = node.outputs.map { output in
        guard let output, needed.contains(output), output != stretch.kept else { return nil }
        let copy = graph.addValue(name: "\(graph[output].name)/again", type: graph[output].type)
        values[output] = copy
        return copy
      }
      copies.append(node)
    }
    return Copy(
      firstReader: firstReader, nodes: copies, values: values.filter { wanted.contains($0.key) })
  }
}

extension Graph {
  /// The bytes of a floating-point value, with 1 for unknown extents; `nil` for other types.
  fileprivate func bytesOfImage(_ id: ValueID) -> Int? {
    guard let type = self[id].type?.tensor, type.elementType.isFloatingPoint,
      let shape = type.shape
    else { return nil }
    return shape.reduce(type.elementType.byteWidth) { product, extent in
      let (result, overflow) = product.multipliedReportingOverflow(by: max(1, extent.known ?? 1))
      return overflow ? Int.max / (1 << 20) : result
    }
  }
}
