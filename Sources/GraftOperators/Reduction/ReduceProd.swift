import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The product over axes; integers wrap.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceProd.html>
struct ReduceProd: ReduceOperator {
  static let schema = OperatorSchema(
    "ReduceProd", since: [1, 11, 13, 18], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float:
      return try context.reductionKernel(
        axes: axes, ReductionLoops(FloatingPointProduct<Float>.self),
        finish: { product, _ in Float(product) })
    case .double:
      return try context.reductionKernel(
        axes: axes, ReductionLoops(FloatingPointProduct<Double>.self),
        finish: { product, _ in product })
    case .int64, .uint64:
      // The low bits of a product do not depend on signedness.
      return try context.reductionKernel(
        axes: axes, ReductionLoops(IntegerProduct.self), finish: { product, _ in product })
    default:
      return try context.converting([type], to: type.isInteger ? .int64 : .float) {
        try prepare($0, axes: axes)
      }
    }
  }

  /// dx = dy · the product of the other elements, which is also right for zeros.
  ///
  /// Reduces one axis after another; the products of the elements before and after each one are
  /// cumulative products.
  func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let given = builder.node.inputs.count > 1 ? builder.node.inputs[1] : nil
    guard let rank = builder.type(of: input)?.shape?.count,
      let axes = try given.map({ try builder.graph.constant($0)?.integers() }) ?? []
    else {
      throw GraftError.unsupported("the gradient of ReduceProd needs to know rank and axes")
    }
    var partial = input
    var steps: [(axis: Int, input: ValueID)] = []
    for axis in try form.axes(axes, rank: rank) {
      steps.append((axis, partial))
      let axes = builder.addConstant(try Tensor([Int64(axis)], shape: [1]))
      partial = builder.add("ReduceProd", [partial, axes])
    }
    var result = gradient
    for (axis, input) in steps.reversed() {
      let axis = builder.addConstant(try Tensor(scalar: Int64(axis)))
      let before = builder.add("CumProd", [input, axis], attributes: ["exclusive": .int(1)])
      let behind = builder.add(
        "CumProd", [input, axis], attributes: ["exclusive": .int(1), "reverse": .int(1)])
      let others = builder.add("Mul", [before, behind])
      result = builder.add("Mul", [result, others])
    }
    builder.setInputGradient(0, result)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([100, 2, -1200, 2, 3300, -2], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([-8250, -384000], [1, 2, 1])]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([3168000000], [])]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([1, 1, 1, 1], [2, 1, 2])]),
      OperatorExample(
        "two axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([2, 0.5, -1, 3], [2, 2])], outputs: [.floats([-3], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "zeros", inputs: [.floats([2, 0, 3, 0.5, 0, 0], [2, 3]), .integers([1], [1])],
        outputs: [.floats([0, 0], [2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "integers", inputs: [.integers([3, -4], [2])],
        outputs: [.integers([-12], [1])]),
    ]
  }
}

private enum FloatingPointProduct<Element: BinaryFloatingPoint & Sendable>: Reduction {
  static var identity: Double { 1 }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout Double) {
    accumulator *= Double(element)
  }

  @inline(__always)
  static func merge(_ other: Double, into accumulator: inout Double) { accumulator *= other }
}

private enum IntegerProduct: Reduction {
  static var identity: Int64 { 1 }

  @inline(__always)
  static func accumulate(_ element: Int64, into accumulator: inout Int64) {
    accumulator = accumulator &* element
  }

  @inline(__always)
  static func merge(_ other: Int64, into accumulator: inout Int64) {
    accumulator = accumulator &* other
  }
}
