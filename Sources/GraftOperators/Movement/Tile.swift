import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Repeats a tensor along each of its axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Tile.html>
struct Tile: Operator {
  static let schema = OperatorSchema("Tile", since: [1, 6, 13], sameSince: 6, inputs: 2...2)
  static let acceptsUnalignedInputs = true
  static let widening = Widening.isExact
  package static let onlyMoves = true

  init(_ attributes: AttributeReader) throws {}

  /// Opset 1 had a number of copies and one axis, both scalars of the data's type.
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 6 else { return }
    guard node.inputs.count == 3, let copies = context.graph.constant(node.inputs[1]),
      let axis = context.graph.constant(node.inputs[2])
    else {
      throw GraftError.unsupported("Tile of opset 1 with copies or an axis that is not constant")
    }
    let rank = try context.rank(node.inputs[0], of: "input 0")
    var repeats = Array(repeating: 1, count: rank)
    repeats[try normalizedAxis(integer(axis), rank: rank)] = try integer(copies)
    node.inputs = [node.inputs[0], try context.addIntegers(repeats)]
  }

  /// Opset 1 repeats along one axis.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let repeats = try node.constantIntegers("repeats", at: 1, in: context) ?? []
    guard let type = context.type(node.inputs[0])?.elementType else {
      throw GraftError.unsupported("its element type is unknown")
    }
    let axes = repeats.indices.filter { repeats[$0] != 1 }
    let last = axes.last ?? 0
    for axis in axes.dropLast() {
      var single = [Int](repeating: 1, count: repeats.count)
      single[axis] = repeats[axis]
      node.inputs[0] = try context.addBefore(
        "Tile", [node.inputs[0], try context.addIntegers(single)])
    }
    node.removeInputs(from: 1)
    for number in [repeats.isEmpty ? 1 : repeats[last], last] {
      node.inputs.append(
        context.addConstant(try ElementConversion.scalar(Double(number), as: type)))
    }
  }

  private static func integer(_ tensor: Tensor) throws -> Int {
    guard tensor.elementCount == 1 else {
      throw GraftError.badData("copies and axis of Tile are single numbers")
    }
    let wide = try Tensor(zeros: .int64, shape: [])
    try ElementConversion.convert(
      tensor.baseAddress, tensor.elementType, to: wide.baseAddress, .int64, count: 1)
    return try wide.integers()[0]
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    context.setOutput(0, elementType, Array(repeating: .unknown, count: shape.count))
    try context.require(1, [.int64])
    let repeats = try context.extents(1)
    guard repeats.count == shape.count else {
      throw GraftError.badData("has \(repeats.count) repeats for an input of rank \(shape.count)")
    }
    let result = try zip(shape, repeats).map { dimension, copies in
      copies == 1 ? dimension : try [dimension, .known(copies)].product()
    }
    _ = try result.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, result)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let repeats = try context.integers(1) ?? []
      let sourceStrides = input.shape.denseStrides
      let destinationStrides = try context.output(0).shape.denseStrides
      var axes: [ElementCopy.Axis] = []
      for (axis, extent) in input.shape.enumerated() {
        axes.append(
          .init(
            extent: repeats[axis], sourceStride: 0,
            destinationStride: extent * destinationStrides[axis]))
        axes.append(
          .init(
            extent: extent, sourceStride: sourceStrides[axis],
            destinationStride: destinationStrides[axis]))
      }
      return .reordering(
        ElementCopy(from: .input(0), width: input.elementType.byteWidth, axes: axes),
        inputByteCount: input.byteCount)
    }
  }

  /// Gives the copies separate axes, `[repeats[0], extent[0], repeats[1], …]`, and sums over them.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    guard let rank = builder.type(of: try builder.input(0))?.shape?.count else {
      throw GraftError.unsupported("the gradient of Tile needs to know the rank of its input")
    }
    let one = try builder.addIntegers([1])
    let extents = builder.add("Shape", [try builder.input(0)])
    let pairs = builder.add(
      "Concat",
      [
        builder.add("Unsqueeze", [try builder.input(1), one]),
        builder.add("Unsqueeze", [extents, one]),
      ], attributes: ["axis": .int(1)])
    let flat = builder.add("Reshape", [pairs, try builder.addIntegers([-1])])
    let unrolled = builder.add(
      "Reshape", [try builder.outputGradient(), flat], attributes: ["allowzero": .int(1)])
    let copyAxes = try builder.addIntegers((0..<rank).map { 2 * $0 })
    builder.setInputGradient(
      0,
      builder.add(
        "ReduceSum", [unrolled, copyAxes],
        attributes: ["keepdims": .int(0), "noop_with_empty_axes": .int(1)]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both axes", inputs: [.floats([0, 1, 2, 3], [2, 2]), .integers([2, 2], [2])],
        outputs: [
          .floats([0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3], [4, 4])
        ], differentiableInputs: [0]),
      OperatorExample(
        "none", inputs: [.floats([1, 2], [2]), .integers([0], [1])], outputs: [.floats([], [0])]),
    ]
  }
}
