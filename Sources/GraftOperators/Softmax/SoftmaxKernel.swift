import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Softmax, or its logarithm, along one axis: for Softmax, LogSoftmax and the losses built on them.
struct SoftmaxKernel: Sendable {
  let layout: AxisLayout
  let isLogarithm: Bool
  let instructionSet: InstructionSet

  /// The columns of a task.
  var grain: Int { max(1, 8192 / max(1, layout.length)) }

  /// Works on a range of columns; `x` and `y` point to the first element of all.
  func run<Element: RealElement>(
    _ columns: Range<Int>, _ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>
  ) {
    if layout.stride == 1 {
      let start = columns.lowerBound * layout.length
      Element.softmaxRows(
        x + start, y + start, rowCount: columns.count, length: layout.length,
        isLogarithm: isLogarithm, instructionSet)
      return
    }
    layout.forEachRun(in: columns) { start, count in
      Element.softmaxColumns(
        x + start, y + start, columnCount: count, length: layout.length, stride: layout.stride,
        isLogarithm: isLogarithm, instructionSet)
    }
  }

  /// A kernel from input 0 to output 0.
  static func prepare<Element: RealElement>(
    _ context: PrepareContext, axis: Int, isLogarithm: Bool, _: Element.Type
  ) throws -> PreparedKernel {
    let kernel = SoftmaxKernel(
      layout: try AxisLayout(context.input(0).shape, axis: axis), isLogarithm: isLogarithm,
      instructionSet: context.instructionSet)
    return PreparedKernel.parallel(
      count: kernel.layout.columnCount, grain: kernel.grain, inPlaceInputs: [0]
    ) { arguments, columns in
      kernel.run(
        columns, arguments.input(0, as: Element.self), arguments.output(0, as: Element.self))
    }
  }
}

extension Node {
  /// Before opset 13, Softmax and its relatives treated the input as a matrix whose rows start at
  /// `axis` (1 by default).
  mutating func coerceToMatrix(in context: inout UpgradeContext) throws {
    let axis = try AttributeReader(attributes).int("axis", default: 1)
    attributes["axis"] = .int(-1)
    if let rank = context.type(inputs.first ?? nil)?.shape?.count {
      guard try normalizedAxis(axis, rank: max(rank, 1)) != rank - 1 else { return }
    }
    guard let input = inputs.first ?? nil, let output = outputs.first ?? nil else { return }
    let shape = context.addBefore("Shape", [input])
    inputs[0] = context.addBefore("Flatten", [input], attributes: ["axis": .int(axis)])
    let flatOutput = context.graph.addValue()
    outputs[0] = flatOutput
    context.addAfter("Reshape", [flatOutput, shape], output: output)
  }

  /// The inverse of ``coerceToMatrix(in:)``: the rows of a matrix are the last axis, to which
  /// another axis is moved.
  mutating func coerceToLastAxis(in context: inout DowngradeContext) throws {
    let axis = try AttributeReader(attributes).int("axis", default: -1)
    guard let type = context.type(inputs[0]), let shape = type.shape else {
      guard axis == -1, context.opset >= 11 else {
        throw GraftError.unsupported("the rank of input 0 is unknown")
      }
      attributes["axis"] = .int(-1)
      return
    }
    let place = try normalizedAxis(axis, rank: max(shape.count, 1))
    let last = max(shape.count - 1, 0)
    attributes["axis"] = .int(last)
    guard place != last, let output = outputs[0] else { return }
    var order = Array(shape.indices)
    order.swapAt(place, last)
    let permutation: [ByteString: Attribute] = ["perm": .ints(order)]
    inputs[0] = try context.addBefore("Transpose", [inputs[0]], attributes: permutation)
    outputs[0] = try context.addAfter(
      "Transpose", output: output,
      type: .tensor(TensorType(type.elementType, order.map { shape[$0] })),
      attributes: permutation)
  }
}

extension InferenceContext {
  /// For operators along one axis that preserve type and shape.
  mutating func inferAlongAxis(_ axis: Int) throws {
    try require(0, .floatingPoint)
    try setOutputLikeInput()
    _ = try normalizedAxis(axis, rank: shape(0).count)
  }
}
