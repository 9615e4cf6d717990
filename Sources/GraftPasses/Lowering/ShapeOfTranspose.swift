import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// Reads the shape of what a Transpose reads, in the order of its axes, so that nobody needs the
/// transposed value for its shape.
package enum ShapeOfTranspose: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    var didChange = false
    for node in graph.nodes {
      guard let shape = try node.operation(as: ShapeOperator.self), let value = node.inputs[0],
        let index = producers[value], let input = graph.nodes[index].inputs.first ?? nil,
        let order = try graph.nodes[index].operation(as: Transpose.self)?.permutation,
        graph.rank(input) == order.count
      else {
        nodes.append(node)
        continue
      }
      func bounded(_ axis: Int) -> Int {
        min(max(0, axis < 0 ? axis + order.count : axis), order.count)
      }
      let (start, end) = (bounded(shape.start), bounded(shape.end ?? order.count))
      let places = start < end ? order[start..<end].map { Int64($0) } : []
      let extents = graph.addValue(type: .tensor(TensorType(.int64, [.known(order.count)])))
      let indices = graph.addConstant(try Tensor(places, shape: [places.count]))
      nodes.append(Node(operatorType: "Shape", inputs: [input], outputs: [extents]))
      nodes.append(
        Node(
          name: node.name, operatorType: "Gather", inputs: [extents, indices],
          outputs: node.outputs))
      didChange = true
    }
    graph.nodes = nodes
    return didChange
  }
}
