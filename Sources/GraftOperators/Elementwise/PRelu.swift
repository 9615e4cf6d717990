import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// x where x ≥ 0, slope · x elsewhere; the slope is broadcast to the shape of x, not the other way.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__PRelu.html>
package struct PRelu: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "PRelu", since: [1, 6, 7, 9, 16], sameSince: 7, inputs: 2...2)
  package static let weightInputs = [1]

  static var elementTypes: Set<ElementType> {
    .floatingPoint.union([.int32, .int64, .uint32, .uint64])
  }

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left < 0 ? left * right : left
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left < 0 ? left &* right : left
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.prelu }

  /// Before opset 7 a slope of rank 1 holds one value for each channel, or one for all.
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 7 else { return }
    node.attributes["consumed_inputs"] = nil
    guard node.inputs.count == 2, try context.rank(node.inputs[1], of: "the slope") == 1 else {
      return
    }
    let rank = try context.rank(node.inputs[0], of: "input 0")
    guard rank > 2 else { return }
    let axes = try context.addIntegers(Array(1..<rank - 1))
    node.inputs[1] = context.addBefore("Unsqueeze", [node.inputs[1], axes])
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let slope = node.inputs[1]
    guard let shape = context.type(slope)?.shape else {
      throw GraftError.unsupported("the rank of the slope is unknown")
    }
    let rank = try context.rank(node.inputs[0], of: "input 0")
    // One value for all, or one per channel: the extents after it are 1.
    let isForAll = shape.allSatisfy { $0 == 1 }
    guard isForAll || rank == 2 && shape.count == 1 || shape.count == rank - 1 else {
      throw GraftError.unsupported("it needs one slope per channel")
    }
    guard shape.dropFirst().allSatisfy({ $0 == 1 }) else {
      throw GraftError.unsupported("it needs one slope per channel")
    }
    if shape.isEmpty {
      node.inputs[1] = try context.reshaped(slope, inserting: [0])
    } else if shape.count > 1 {
      node.inputs[1] = try context.reshaped(slope, dropping: Array(1..<shape.count))
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, Self.elementTypes)
    try context.requireSameElementType([0, 1])
    try context.setOutputLikeInput()
    let shape = try context.shape(0)
    let slope = try context.shape(1)
    let output = try broadcast([shape, slope])
    let isWidened =
      output.count != shape.count
      || zip(output, shape).contains { output, input in
        if let output = output.known, let input = input.known { output != input } else { false }
      }
    guard !isWidened else {
      throw GraftError.badData("the slope of shape \(slope) does not broadcast to \(shape)")
    }
  }

  /// dx = dy where x ≥ 0, slope · dy elsewhere; dslope = x · dy where x < 0
  package func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let gradient = try builder.outputGradient()
    let zero = try builder.addScalar(0, like: input)
    let isNegative = builder.add("Less", [input, zero])
    if builder.needs(0) {
      let scaled = builder.add("Mul", [gradient, try builder.input(1)])
      builder.setInputGradient(0, builder.add("Where", [isNegative, scaled, gradient]))
    }
    if builder.needs(1) {
      let negative = builder.add("Where", [isNegative, input, zero])
      try builder.setBroadcastInputGradient(1, builder.add("Mul", [gradient, negative]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "slope for each channel",
        inputs: [
          .floats([1, -2, -3, 4, -0.5, 6, 7, -8], [1, 2, 2, 2]), .floats([0.5, 2], [2, 1, 1]),
        ],
        outputs: [.floats([1, -1, -1.5, 4, -1, 6, 7, -16], [1, 2, 2, 2])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "slope for each element", inputs: [.floats([1, -2], [2]), .floats([0.5, 0.25], [2])],
        outputs: [.floats([1, -0.5], [2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "integers", inputs: [.integers([1, -2, -3], [3]), .integers([2], [1])],
        outputs: [.integers([1, -4, -6], [3])]),
    ]
  }
}
