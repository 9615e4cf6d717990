import GraftExecution
import GraftFiles
import GraftGraph

/// 1 at the first of the largest elements along an axis, 0 elsewhere.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Hardmax.html>
struct Hardmax: RealOperator {
  static let schema = OperatorSchema("Hardmax", since: [1, 11, 13], inputs: 1...1)

  let axis: Int

  init(_ attributes: AttributeReader) throws { axis = try attributes.int("axis", default: -1) }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 13 { try node.coerceToMatrix(in: &context) }
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.coerceToLastAxis(in: &context)
  }

  func infer(_ context: inout InferenceContext) throws { try context.inferAlongAxis(axis) }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let layout = try AxisLayout(context.input(0).shape, axis: axis)
    return PreparedKernel.parallel(
      count: layout.columnCount, grain: max(1, 16384 / max(1, layout.length)), inPlaceInputs: [0]
    ) { arguments, columns in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for column in columns {
        let start = layout.start(ofColumn: column)
        var largest = 0
        for i in 0..<layout.length
        where x[start + i * layout.stride] > x[start + largest * layout.stride] {
          largest = i
        }
        for i in 0..<layout.length { y[start + i * layout.stride] = i == largest ? 1 : 0 }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "the first of equals",
        inputs: [.floats([1, 3, 3, 2, 1, 0], [2, 3])],
        outputs: [.floats([0, 1, 0, 1, 0, 0], [2, 3])]),
      OperatorExample(
        "first axis",
        attributes: ["axis": .int(0)],
        inputs: [.floats([-0.38, -0.3, -1.13, 2.54, -0.18, 1.59], [3, 2])],
        outputs: [.floats([0, 0, 0, 1, 1, 0], [3, 2])]),
    ]
  }
}
