import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The slices along `axis`, or the elements, for which `condition` is true.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Compress.html>
struct Compress: Operator {
  static let schema = OperatorSchema("Compress", since: [9, 11, 28], sameSince: 11, inputs: 2...2)

  let axis: Int?

  init(_ attributes: AttributeReader) throws { axis = try attributes.int("axis") }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, axis == nil ? [.unknown] : nil)
    try context.require(1, [.bool])
    _ = try context.vectorLength(1)
    guard let axis else { return }
    var shape = try context.shape(0)
    shape[try normalizedAxis(axis, rank: shape.count)] = .unknown
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let axis = axis
    return .dynamic { inputs in
      guard inputs.count == 2, var input = try inputs[0]?.tensor,
        let condition = try inputs[1]?.tensor
      else { throw GraftError.badData("an input is missing") }
      if axis == nil { input = try input.reshaped([input.elementCount]) }
      let axis = try normalizedAxis(axis ?? 0, rank: input.rank)
      let slices = condition.isNonZero().enumerated().filter(\.element).map(\.offset)
      if let last = slices.last, last >= input.shape[axis] {
        throw GraftError.badData(
          "index \(last) is out of range for axis \(axis) of extent \(input.shape[axis])")
      }
      return [.tensor(try input.selecting(slices, axis: axis))]
    }
  }

  /// The gradient goes back to the positions of the selected elements.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let input = try builder.input(0)
    let places = builder.add(
      "Reshape", [builder.add("NonZero", [try builder.input(1)]), try builder.addIntegers([-1])])
    guard axis == nil else {
      builder.setInputGradient(
        0,
        builder.add(
          "GatherGradient", domain: "graft", [try builder.outputGradient(), input, places],
          attributes: ["axis": .int(axis ?? 0)]))
      return
    }
    let flat = builder.add("Reshape", [input, try builder.addIntegers([-1])])
    let gradient = builder.add(
      "GatherGradient", domain: "graft", [try builder.outputGradient(), flat, places])
    builder.setInputGradient(
      0,
      builder.add(
        "Reshape", [gradient, builder.add("Shape", [input])], attributes: ["allowzero": .int(1)]))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [3, 2])
    return [
      OperatorExample(
        "rows", attributes: ["axis": .int(0)], inputs: [matrix, .bools([false, true, true], [3])],
        outputs: [.floats([3, 4, 5, 6], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "columns, a short condition", attributes: ["axis": .int(-1)],
        inputs: [matrix, .bools([true], [1])], outputs: [.floats([1, 3, 5], [3, 1])],
        differentiableInputs: [0]),
      OperatorExample(
        "elements", inputs: [matrix, .bools([false, true, false, false, true], [5])],
        outputs: [.floats([2, 5], [2])], differentiableInputs: [0]),
    ]
  }
}
