import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Joins tensors along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Concat.html>
package struct Concat: Operator {
  package static let schema = OperatorSchema(
    "Concat", since: [1, 4, 11, 13], sameSince: 11, inputs: 1...OperatorSchema.unlimited)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact

  package let axis: Int

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 4, node.attributes["axis"] == nil { node.attributes["axis"] = .int(1) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.requireSameElementType(Array(0..<context.inputCount))
    let shapes = try (0..<context.inputCount).map { try context.shape($0) }
    var shape = shapes[0]
    let axis = try normalizedAxis(axis, rank: shape.count)
    for (index, other) in shapes.enumerated() {
      guard other.count == shape.count else {
        throw GraftError.badData(
          "input \(index) has rank \(other.count), input 0 has \(shape.count)")
      }
      for other in other.enumerated() where other.offset != axis {
        guard shape[other.offset].isCompatible(with: other.element) else {
          throw GraftError.badData(
            "input \(index) has extent \(other.element) along axis \(other.offset), input 0 has "
              + "\(shape[other.offset])")
        }
        if shape[other.offset].known == nil { shape[other.offset] = other.element }
      }
    }
    shape[axis] = try shapes.map { $0[axis] }.sum()
    context.setOutput(0, elementType, shape)
  }

  package func isIdentity(_ context: InferenceContext) -> Bool { context.inputCount == 1 }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let output = try context.output(0)
      let axis = try normalizedAxis(axis, rank: output.rank)
      let inner = output.shape[(axis + 1)...].reduce(1, *)
      var copies: [ElementCopy] = []
      var start = 0
      for index in context.inputs.indices {
        let input = try context.input(index)
        let run = input.shape[axis] * inner
        copies.append(
          ElementCopy(
            from: .input(index), width: input.elementType.byteWidth,
            axes: [
              .init(
                extent: output.shape[..<axis].reduce(1, *), sourceStride: run,
                destinationStride: output.shape[axis] * inner),
              .init(extent: run, sourceStride: 1, destinationStride: 1),
            ], destinationOffset: start))
        start += run
      }
      guard copies.count > 1 else { return .alias(input: 0) }
      let kernel = PreparedKernel.copying(copies)
      // Along the outermost axis the output starts with the first input.
      return output.shape[..<axis].allSatisfy { $0 == 1 } ? kernel.overwriting([0: 0]) : kernel
    }
  }

  /// Splits the gradient at the inputs' extents, which are known when the graph runs.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let inputCount = builder.node.inputs.count
    guard (0..<inputCount).contains(where: builder.needs) else { return }
    let gradient = try builder.outputGradient()
    guard inputCount > 1 else {
      builder.setInputGradient(0, gradient)
      return
    }
    var extents: [ValueID?] = []
    for index in 0..<inputCount {
      var attributes: [ByteString: Attribute] = ["start": .int(axis)]
      if axis != -1 { attributes["end"] = .int(axis + 1) }
      extents.append(builder.add("Shape", [try builder.input(index)], attributes: attributes))
    }
    let split = builder.add("Concat", extents, attributes: ["axis": .int(0)])
    let parts = builder.add(
      "Split", [gradient, split], attributes: ["axis": .int(axis)], outputCount: inputCount)
    for index in 0..<inputCount where builder.needs(index) {
      builder.setInputGradient(index, parts[index])
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis", attributes: ["axis": .int(-1)],
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([5, 6], [2, 1])],
        outputs: [.floats([1, 2, 5, 3, 4, 6], [2, 3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "first axis, one empty", attributes: ["axis": .int(0)],
        inputs: [.integers([1, 2], [1, 2]), .integers([], [0, 2]), .integers([3, 4], [1, 2])],
        outputs: [.integers([1, 2, 3, 4], [2, 2])]),
      OperatorExample(
        "strings", attributes: ["axis": .int(0)],
        inputs: [.strings(["a"], [1]), .strings(["b", "c"], [2])],
        outputs: [.strings(["a", "b", "c"], [3])]),
    ]
  }
}
