import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Merges zero padding by Pad into the `pads` of the Conv after it, or of an AveragePool that
/// counts padding.
package enum PadFolding: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let counts = graph.useCounts()
    var didChange = false
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard node.is(Conv.self) || node.is(AveragePool.self), let input = node.inputs.first ?? nil,
        counts[input] == 1,
        let producer = producers[input],
        let pads = try zeroPads(graph.nodes[producer], in: graph),
        let source = graph.nodes[producer].inputs[0]
      else { continue }
      let attributes = AttributeReader(node.attributes)
      let spatialRank = pads.count / 2 - 2
      let own = try attributes.ints("pads") ?? Array(repeating: 0, count: 2 * spatialRank)
      guard try attributes.string("auto_pad", default: "NOTSET") == "NOTSET",
        spatialRank >= 1, own.count == 2 * spatialRank
      else { continue }
      if let pool = try node.operation(as: AveragePool.self) {
        guard pool.countsPadding || own.allSatisfy({ $0 == 0 }), !pool.window.roundsUp
        else { continue }
        graph.nodes[index].attributes["count_include_pad"] = .int(1)
      }
      let total = (0..<2 * spatialRank).map { position in
        let isEnd = position >= spatialRank
        let axis = position - (isEnd ? spatialRank : 0) + 2
        return own[position] + pads[axis + (isEnd ? spatialRank + 2 : 0)]
      }
      graph.nodes[index].attributes["pads"] = .ints(total)
      graph.nodes[index].inputs[0] = source
      didChange = true
    }
    return didChange
  }

  /// The amounts of a Pad with zeros on the spatial axes only; `nil` for any other.
  private static func zeroPads(_ node: Node, in graph: Graph) throws -> [Int]? {
    guard node.inputs.count >= 2, try node.operation(as: Pad.self)?.mode == .constant,
      node.inputs.count < 4 || node.inputs[3] == nil,
      let pads = try graph.constant(node.inputs[1])?.integers(), pads.count >= 6,
      pads.count % 2 == 0, pads.allSatisfy({ (0..<1 << 20).contains($0) })
    else { return nil }
    if node.inputs.count > 2, let value = node.inputs[2] {
      guard let tensor = graph.constants[value], tensor.elementType.isFloatingPoint,
        try tensor.doubles().allSatisfy({ $0 == 0 })
      else { return nil }
    }
    let rank = pads.count / 2
    let touchesBatchOrChannels = [0, 1, rank, rank + 1].contains { pads[$0] != 0 }
    return touchesBatchOrChannels ? nil : pads
  }
}
