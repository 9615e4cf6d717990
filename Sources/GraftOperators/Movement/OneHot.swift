import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A new axis of `depth` elements with the on-value at the index, and the off-value elsewhere.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__OneHot.html>
struct OneHot: Operator {
  static let schema = OperatorSchema("OneHot", since: [9, 11, 28], sameSince: 11, inputs: 3...3)

  let axis: Int

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
  }

  /// Before opset 11, negative indices were out of range; now they count from the end.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.requireIndicesFromFront(at: 0, in: context)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(2)
    context.setOutput(0, elementType, nil)
    try context.require(0, .realNumbers)
    try context.require(1, .realNumbers)
    try context.requireShape(2, [2])
    var shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count + 1)
    shape.insert(.unknown, at: axis)
    context.setOutput(0, elementType, shape)
    let depth = try context.contents(1)
    guard depth.elementCount == 1 else {
      throw GraftError.badData("the depth has shape \(depth.shape); expected a scalar")
    }
    let integer = try Tensor(zeros: .int64, shape: [1])
    try ElementConversion.convert(
      depth.baseAddress, depth.elementType, to: integer.baseAddress, .int64, count: 1)
    let extent = try integer.integers()
    _ = try extent.checkedElementCount()
    shape[axis] = .known(extent[0])
    _ = try shape.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let indices = try context.input(0)
      let output = try context.output(0)
      let axis = try normalizedAxis(axis, rank: output.rank)
      let depth = output.shape[axis]
      let inner = output.shape[(axis + 1)...].reduce(1, *)
      let width = output.elementType.byteWidth
      let indexType = indices.elementType
      let count = indices.elementCount
      return PreparedKernel(
        phases: [
          .copying([
            ElementCopy(
              from: .input(2), width: width,
              axes: [.init(extent: output.elementCount, sourceStride: 0, destinationStride: 1)])
          ]),
          .parallel(count: count, grain: 8192) { arguments, range in
            guard let scratch = arguments.scratch else { return }
            let integers = scratch.assumingMemoryBound(to: Int64.self)
            try ElementConversion.convert(
              arguments.input(0) + range.lowerBound * indexType.byteWidth, indexType,
              to: integers + range.lowerBound, .int64, count: range.count)
            let onValue = arguments.input(2) + width
            for position in range {
              let given = Int(integers[position])
              let index = given < 0 ? given + depth : given
              guard index >= 0, index < depth else { continue }
              let (outer, column) = position.quotientAndRemainder(dividingBy: inner)
              (arguments.output(0) + ((outer * depth + index) * inner + column) * width)
                .copyMemory(from: onValue, byteCount: width)
            }
          },
        ], scratchByteCount: count * MemoryLayout<Int64>.stride)
    }
  }

  /// For the two values: the gradients at the indices, and those elsewhere.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(2) else { return }
    let gradient = try builder.outputGradient()
    let zero = try builder.addScalar(0, like: builder.input(2))
    let one = try builder.addScalar(1, like: builder.input(2))
    let row = try builder.addIntegers([1])
    let values = builder.add(
      "Concat", [builder.add("Reshape", [zero, row]), builder.add("Reshape", [one, row])],
      attributes: ["axis": .int(0)])
    let isOn = builder.add(
      "OneHot", [try builder.input(0), try builder.input(1), values],
      attributes: builder.node.attributes)
    func sum(_ value: ValueID, _ builder: inout GradientBuilder) -> ValueID {
      let sum = builder.add("ReduceSum", [value], attributes: ["keepdims": .int(0)])
      return builder.add("Reshape", [sum, row])
    }
    let on = sum(builder.add("Mul", [gradient, isOn]), &builder)
    let off = sum(
      builder.add("Mul", [gradient, builder.add("Sub", [one, isOn])]), &builder)
    builder.setInputGradient(2, builder.add("Concat", [off, on], attributes: ["axis": .int(0)]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis, one index outside",
        inputs: [.integers([0, -1, 3], [3]), .integers([3], []), .floats([2, 5], [2])],
        outputs: [.floats([5, 2, 2, 2, 2, 5, 2, 2, 2], [3, 3])], differentiableInputs: [2]),
      OperatorExample(
        "first axis, indices and depth as floats", attributes: ["axis": .int(0)],
        inputs: [.floats([1, 0], [2]), .floats([2], [1]), .integers([0, 1], [2])],
        outputs: [.integers([0, 1, 1, 0], [2, 2])]),
    ]
  }
}
