import GraftExecution
import GraftGraph
import GraftOperators

/// Three nodes that shuffle channels: [N, C, H, W] is reshaped to [N, G, C / G, H, W], axes 1 and 2
/// are swapped, and the result is reshaped to [N, C, H, W]. Source: Zhang et al., "ShuffleNet",
/// <https://arxiv.org/abs/1707.01083>
struct ChannelShuffle {
  let input: ValueID
  let output: ValueID
  let channels: Int
  let groups: Int
  /// The three nodes, by index.
  let nodes: Set<Int>

  /// The shuffles of a graph, by the index of their first node.
  static func all(in graph: Graph) throws -> [Int: ChannelShuffle] {
    let counts = graph.useCounts()
    let consumers = graph.consumers()
    var shuffles: [Int: ChannelShuffle] = [:]
    func next<Next: Operator>(_ value: ValueID?, _ type: Next.Type) -> (Int, Node)? {
      guard let value, counts[value] == 1, let index = consumers[value]?.first,
        graph.nodes[index].is(type), graph.nodes[index].inputs[0] == value
      else { return nil }
      return (index, graph.nodes[index])
    }
    for (index, node) in graph.nodes.enumerated()
    where node.is(Reshape.self) {
      guard let input = node.inputs[0], let value = node.outputs[0],
        let shape = graph[input].type?.tensor?.shape, shape.count == 4,
        let channels = shape[1].known,
        let split = graph[value].type?.tensor?.shape, split.count == 5,
        let groups = split[1].known, let size = split[2].known, groups * size == channels,
        split[0] == shape[0], split[3] == shape[2], split[4] == shape[3],
        let (transposeIndex, transpose) = next(value, Transpose.self),
        try transpose.operation(as: Transpose.self)?.permutation == [0, 2, 1, 3, 4],
        let (joinIndex, join) = next(transpose.outputs[0], Reshape.self),
        let output = join.outputs[0], graph[output].type?.tensor?.shape == shape
      else { continue }
      shuffles[index] = ChannelShuffle(
        input: input, output: output, channels: channels, groups: groups,
        nodes: [index, transposeIndex, joinIndex])
    }
    return shuffles
  }
}
