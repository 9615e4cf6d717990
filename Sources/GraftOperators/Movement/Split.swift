import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Splits a tensor along an axis: into parts of given lengths, or into `num_outputs` equal ones, of
/// which the last may be smaller.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Split.html>
package struct Split: Operator {
  package static let schema = OperatorSchema(
    "Split", since: [1, 2, 11, 13, 18], sameSince: 18, inputs: 1...2,
    outputs: 1...OperatorSchema.unlimited)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact

  package let axis: Int
  let outputCount: Int?

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
    outputCount = try attributes.int("num_outputs")
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 18 else { return }
    if version < 13 { try node.moveToInput("split", at: 1, in: &context) }
    if node.inputs.count < 2 || node.inputs[1] == nil {
      node.attributes["num_outputs"] = .int(node.outputs.count)
    }
  }

  /// Before opset 18 parts are equal by default; before 13 their lengths are an attribute.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
    if let count = try AttributeReader(node.attributes).int("num_outputs") {
      node.attributes["num_outputs"] = nil
      let axis = try AttributeReader(node.attributes).int("axis", default: 0)
      let shape = context.type(node.inputs[0])?.shape
      let extent = try shape.flatMap { try $0[normalizedAxis(axis, rank: $0.count)].known }
      guard extent != nil || context.isFromFile(before: 18) else {
        throw GraftError.unsupported("its parts may differ in size")
      }
      if let extent, count > 0, extent % count != 0 {
        let part = (extent + count - 1) / count
        let parts = (0..<count).map { max(0, min(part, extent - $0 * part)) }
        node.inputs = [node.inputs[0], try context.addIntegers(parts)]
      }
    }
    if opset < 13 { try node.moveToAttribute("split", from: 1, in: context) }
    if opset < 2, node.attributes["axis"] == nil { node.attributes["axis"] = .int(0) }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    for index in 0..<context.outputCount { context.setOutput(index, elementType, nil) }
    var shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let extent = shape[axis]
    shape[axis] = .unknown
    for index in 0..<context.outputCount { context.setOutput(index, elementType, shape) }
    let lengths: [Dimension]
    if context.hasInput(1) {
      guard outputCount == nil else {
        throw GraftError.badData("has both the input 'split' and the attribute 'num_outputs'")
      }
      let given = try context.extents(1)
      guard given.count == context.outputCount else {
        throw GraftError.badData("has \(context.outputCount) outputs for \(given.count) lengths")
      }
      let total = try given.map(Dimension.known).sum()
      guard extent.isCompatible(with: total) else {
        throw GraftError.badData(
          "the lengths \(given) add up to \(total); axis \(axis) has extent \(extent)")
      }
      lengths = given.map(Dimension.known)
    } else {
      let count = outputCount ?? context.outputCount
      guard count > 0, count == context.outputCount else {
        throw GraftError.badData(
          "has \(context.outputCount) outputs; attribute 'num_outputs' is \(count)")
      }
      lengths = try equalLengths(extent, count)
    }
    for (index, length) in lengths.enumerated() {
      shape[axis] = length
      context.setOutput(index, elementType, shape)
    }
  }

  private func equalLengths(_ extent: Dimension, _ count: Int) throws -> [Dimension] {
    guard let extent = extent.known else {
      return Array(repeating: count == 1 ? extent : .unknown, count: count)
    }
    let length = extent / count + (extent % count == 0 ? 0 : 1)
    let last = extent - length * (count - 1)
    guard last >= 0 else {
      throw GraftError.badData("an extent of \(extent) cannot be split into \(count) parts")
    }
    return Array(repeating: .known(length), count: count - 1) + [.known(last)]
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let axis = try normalizedAxis(axis, rank: input.rank)
      let inner = input.shape[(axis + 1)...].reduce(1, *)
      let lengths: [Int]
      if let given = try context.integers(1) {
        lengths = given
      } else {
        lengths = try equalLengths(.known(input.shape[axis]), context.outputs.count)
          .compactMap(\.known)
      }
      var copies: [ElementCopy] = []
      var start = 0
      for (index, length) in lengths.enumerated() {
        if context.hasOutput(index) {
          copies.append(
            ElementCopy(
              from: .input(0), to: index, width: input.elementType.byteWidth,
              axes: [
                .init(
                  extent: input.shape[..<axis].reduce(1, *),
                  sourceStride: input.shape[axis] * inner, destinationStride: length * inner),
                .init(extent: length * inner, sourceStride: 1, destinationStride: 1),
              ], sourceOffset: start))
        }
        start += length * inner
      }
      return .copying(copies)
    }
  }

  /// Concatenates the gradients, with zeros for outputs without one.
  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    var parts: [ValueID?] = []
    for index in builder.node.outputs.indices {
      if let gradient = builder.outputGradients[index] {
        parts.append(gradient)
      } else {
        parts.append(try builder.addZeros(like: builder.output(index)))
      }
    }
    builder.setInputGradient(0, builder.add("Concat", parts, attributes: ["axis": .int(axis)]))
  }

  package static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "given lengths", attributes: ["axis": .int(1)], inputs: [matrix, .integers([1, 2], [2])],
        outputs: [.floats([1, 4], [2, 1]), .floats([2, 3, 5, 6], [2, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "the last one smaller", attributes: ["axis": .int(-1), "num_outputs": .int(2)],
        inputs: [matrix], outputs: [.floats([1, 2, 4, 5], [2, 2]), .floats([3, 6], [2, 1])],
        differentiableInputs: [0]),
      OperatorExample(
        "empty parts", inputs: [.floats([], [0]), .integers([0, 0], [2])],
        outputs: [.floats([], [0]), .floats([], [0])]),
    ]
  }
}
