import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A depthwise convolution over time that looks only back, with the last inputs as its state.
///
/// The input is `[N, C, L]`, the weights `[C, 1, K]`, and the state `[N, C, K - 1]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html>
struct CausalConvWithState: RealOperator {
  static let schema = OperatorSchema(
    "CausalConvWithState", since: [27], inputs: 2...4, outputs: 1...2)
  static let weightInputs = [1, 2]
  static let isSpelledOut = true

  private let appliesSwish: Bool

  init(_ attributes: AttributeReader) throws {
    let activation = try attributes.choice(
      "activation", default: "none", of: ["none", "silu", "swish"])
    appliesSwish = activation != "none"
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2, 3])
    try context.setOutputLikeInput()
    let shape = try context.shape(0)
    guard shape.count == 3 else {
      throw GraftError.badData("input 0 has shape \(shape); expected rank 3")
    }
    let weights = try context.shape(1)
    try context.requireShapeAgrees(1, [shape[1], .known(1), weights.last ?? .known(0)])
    if context.hasInput(2) { try context.requireShapeAgrees(2, [shape[1]]) }
    guard let size = weights[2].known else {
      context.setOutput(1, try context.elementType(0), [shape[0], shape[1], .unknown])
      return
    }
    guard size > 0 else {
      throw GraftError.badData("input 1 has shape \(weights), without weights")
    }
    let state = [shape[0], shape[1], Dimension.known(size - 1)]
    try context.requireShapeAgrees(3, state)
    context.setOutput(1, try context.elementType(0), state)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (channelCount, length) = (shape[1], shape[2])
    let size = try context.input(1).shape[2]
    let appliesSwish = appliesSwish
    return .parallel(
      count: shape[0] * channelCount, grain: max(1, 16384 / max(1, length * size))
    ) { arguments, rows in
      let weights = arguments.input(1, as: Element.self)
      let biases = arguments.optionalInput(2, as: Element.self)
      let states = arguments.optionalInput(3, as: Element.self)
      for row in rows {
        let x = arguments.input(0, as: Element.self) + row * length
        let y = arguments.output(0, as: Element.self) + row * length
        let past = states.map { $0 + row * (size - 1) }
        let kernel = weights + row % channelCount * size
        let bias = biases?[row % channelCount] ?? 0
        /// The input at a time, which is negative before the first one.
        func value(_ time: Int) -> Element { time >= 0 ? x[time] : past?[size - 1 + time] ?? 0 }
        for time in 0..<length {
          var sum: Element = 0
          let first = time - (size - 1)
          if first >= 0 {
            for i in 0..<size { sum += kernel[i] * x[first + i] }
          } else {
            for i in 0..<size { sum += kernel[i] * value(first + i) }
          }
          sum += bias
          y[time] = appliesSwish ? sum / (1 + Element.exponential(-sum)) : sum
        }
        guard let present = arguments.optionalOutput(1, as: Element.self) else { continue }
        for i in 0..<(size - 1) {
          present[row * (size - 1) + i] = value(length - (size - 1) + i)
        }
      }
    }
  }

  /// Conv over the state and the input, one after the other.
  func spellOut(_ node: Node, in graph: inout Graph) throws -> [ValueID?] {
    func input(_ index: Int) -> ValueID? { index < node.inputs.count ? node.inputs[index] : nil }
    guard let x = input(0), let weights = input(1), let type = graph[x].type?.tensor,
      let channelCount = graph[weights].type?.tensor?.shape?.first?.known
    else {
      throw GraftError.unsupported("needs the number of channels for its gradient")
    }
    let joining: [ByteString: Attribute] = ["axis": .int(0)]
    let past: ValueID
    if let state = input(3) {
      past = state
    } else {
      let one = graph.addConstant(try Tensor([Int64(1)], shape: [1]))
      let extents = graph.addNode("Shape", [x], attributes: ["end": .int(2)])
      let size = graph.addNode("Shape", [weights], attributes: ["start": .int(2)])
      let shape = graph.addNode(
        "Concat", [extents, graph.addNode("Sub", [size, one])], attributes: joining)
      past = graph.addNode(
        "ConstantOfShape", [shape],
        attributes: ["value": .tensor(try Tensor(zeros: type.elementType, shape: [1]))])
    }
    let all = graph.addNode("Concat", [past, x], attributes: ["axis": .int(2)])
    var y = graph.addNode(
      "Conv", [all, weights, input(2)], attributes: ["group": .int(channelCount)])
    if appliesSwish { y = graph.addNode("Swish", [y]) }
    let length = graph.addNode("Shape", [x], attributes: ["start": .int(2)])
    let end = graph.addConstant(try Tensor([Int64.max], shape: [1]))
    let axis = graph.addConstant(try Tensor([Int64(2)], shape: [1]))
    return [y, graph.addNode("Slice", [all, length, end, axis])]
  }

  static var examples: [OperatorExample] {
    let input = Tensor.floats([1, 2, 3, 4, 5, 6], [1, 2, 3])
    let weights = Tensor.floats([0.5, -1, 1, 2], [2, 1, 2])
    return [
      OperatorExample(
        "zeros before", inputs: [input, weights],
        outputs: [.floats([-1, -1.5, -2, 8, 14, 17], [1, 2, 3]), .floats([3, 6], [1, 2, 1])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "bias, state and activation", attributes: ["activation": .string("silu")],
        inputs: [input, weights, .floats([1, -8], [2]), .floats([2, -2], [1, 2, 1])],
        outputs: [
          .floats(
            [0.73105858, -0.188770336, -0.268941421, -0.238405844, 5.98516366, 8.99888952],
            [1, 2, 3]),
          .floats([3, 6], [1, 2, 1]),
        ], differentiableInputs: [0, 1, 2, 3]),
      OperatorExample(
        "shorter than the state",
        inputs: [
          .floats([3], [1, 1, 1]), .floats([1, 2, 3], [1, 1, 3]), nil, .floats([5, 7], [1, 1, 2]),
        ], outputs: [.floats([28], [1, 1, 1]), .floats([7, 3], [1, 1, 2])],
        differentiableInputs: [0, 1, 3]),
    ]
  }
}
