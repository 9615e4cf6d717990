import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Images `[N, C, H, W]` without their borders, which are left, top, right and bottom; or, with
/// `scale`, of a height and width from the left and top border on.
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-crop>
struct Crop: RemovedOperator {
  static let schema = OperatorSchema(
    "Crop", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let border = try attributes.ints("border") ?? []
    let scale = try attributes.ints("scale") ?? []
    guard border.count == 4, scale.isEmpty || scale.count == 2,
      (border + scale).allSatisfy({ (0...Int(Int32.max)).contains($0) })
    else { throw GraftError.badData("'border' \(border) and 'scale' \(scale) are invalid") }
    let starts = [border[1], border[0]]
    let ends =
      scale.isEmpty
      ? [border[3], border[2]].map { $0 == 0 ? Int.max : -$0 }
      : zip(starts, scale).map { $0 + $1 }
    let inputs = try [starts, ends, [2, 3]].map { integers in
      builder.addConstant(try Tensor(integers.map { Int64($0) }, shape: [2]))
    }
    node.become(Slice.schema, [node.inputs[0]] + inputs)
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.floats((0..<20).map { Float($0) }, [1, 1, 4, 5])
    return [
      OperatorExample(
        "borders", attributes: ["border": .ints([1, 2, 0, 1])], inputs: [image],
        outputs: [.floats([11, 12, 13, 14], [1, 1, 1, 4])]),
      OperatorExample(
        "a size", attributes: ["border": .ints([3, 0, 0, 0]), "scale": .ints([2, 1])],
        inputs: [image], outputs: [.floats([3, 8], [1, 1, 2, 1])]),
    ]
  }
}
