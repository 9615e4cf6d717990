import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Takes single elements: the position along `axis` comes from `indices`, the other positions are
/// those of the index itself.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GatherElements.html>
struct GatherElements: Operator {
  static let schema = OperatorSchema(
    "GatherElements", since: [11, 13], sameSince: 11, inputs: 2...2)

  let axis: Int

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, try context.input(1).shape)
    try context.require(1, .indices)
    try context.requireElementwiseIndices(1, axis: axis)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let data = try context.input(0)
      return .gathering(
        try IndexOffsets(elementwise: 1, of: data, axis: axis, in: context),
        rowBytes: data.elementType.byteWidth)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let zeros = try builder.addZeros(like: builder.input(0))
    builder.setInputGradient(
      0,
      builder.add(
        "ScatterElements", [zeros, try builder.input(1), try builder.outputGradient()],
        attributes: ["axis": .int(axis), "reduction": .string("add")]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "along rows", attributes: ["axis": .int(1)],
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .integers([0, 0, -1, 0], [2, 2])],
        outputs: [.floats([1, 1, 4, 3], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "along columns, fewer indices than elements",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]), .example([Int32(1), 2, 2, 0], [2, 2]),
        ], outputs: [.floats([4, 8, 7, 2], [2, 2])], differentiableInputs: [0]),
    ]
  }
}

extension InferenceContext {
  /// Checks the shape of indices that correspond to the elements of input 0, except along `axis`.
  func requireElementwiseIndices(_ index: Int, axis: Int) throws {
    let shape = try shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let indices = try self.shape(index)
    guard indices.count == shape.count else {
      throw GraftError.badData(
        "input \(index) has rank \(indices.count), input 0 has \(shape.count)")
    }
    for (other, pair) in zip(shape, indices).enumerated() where other != axis {
      if let extent = pair.0.known, let count = pair.1.known, count > extent {
        throw GraftError.badData(
          "input \(index) has extent \(count) along axis \(other), input 0 only \(extent)")
      }
    }
  }
}

extension IndexOffsets {
  /// One index for each element, which replaces the element's own position along `axis`.
  init(
    elementwise input: Int, of data: PrepareContext.Description, axis: Int,
    in context: PrepareContext
  ) throws {
    let axis = try normalizedAxis(axis, rank: data.rank)
    let indices = try context.input(input)
    let steps = data.shape.denseStrides.map { $0 * data.elementType.byteWidth }
    self.init(
      input: input, elementType: indices.elementType,
      components: [.init(axis: axis, extent: data.shape[axis], step: steps[axis])],
      bases: indices.shape.indices.map {
        .init(extent: indices.shape[$0], step: $0 == axis ? 0 : steps[$0])
      })
  }
}
