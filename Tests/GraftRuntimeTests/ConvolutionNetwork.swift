import GraftFiles
import GraftGraph
import GraftTensor
import TestSupport

/// A small network with most of what convolution networks have, and all extents of the image open.
enum ConvolutionNetwork {
  static func graph() throws -> Graph {
    var graph = Graph(name: "small")
    var generator = Generator(seed: 3)
    func constant(_ name: String, _ shape: Shape) throws -> ValueID {
      let values = (0..<shape.elementCount).map { _ in
        Float.random(in: -0.5...0.5, using: &generator)
      }
      return graph.addConstant(name: name, try Tensor(values, shape: shape))
    }
    let x = graph.addInput(
      name: "x", type: TensorType(.float, [.symbol("N"), 3, .symbol("H"), .symbol("W")]))
    let stem = graph.addNode(
      "Relu",
      [
        graph.addNode(
          "Conv", [x, try constant("w1", [16, 3, 3, 3]), try constant("b1", [16])],
          attributes: ["pads": .ints([1, 1, 1, 1])])
      ])
    let pooled = graph.addNode(
      "MaxPool", [stem], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    let deep = graph.addNode(
      "Conv", [pooled, try constant("w2", [16, 16, 3, 3]), try constant("b2", [16])],
      attributes: ["pads": .ints([1, 1, 1, 1])])
    let depthwise = graph.addNode(
      "Conv", [pooled, try constant("w3", [16, 1, 3, 3])],
      attributes: ["pads": .ints([1, 1, 1, 1]), "group": .int(16)])
    let sum = graph.addNode("Relu", [graph.addNode("Add", [deep, depthwise])])
    let joined = graph.addNode("Concat", [sum, pooled], attributes: ["axis": .int(1)])
    let flat = graph.addNode("Flatten", [graph.addNode("GlobalAveragePool", [joined])])
    let logits = graph.addNode(
      "Gemm", [flat, try constant("w4", [32, 10]), try constant("b4", [10])])
    graph.outputs = [graph.addNode("Softmax", [logits], outputName: "y")]
    return graph
  }

  static func input(_ shape: Shape) throws -> Tensor {
    try Tensor((0..<shape.elementCount).map { Float(($0 * 37) % 101) / 50 - 1 }, shape: shape)
  }
}
