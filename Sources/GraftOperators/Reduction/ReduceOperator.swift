import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The decoded attributes of the Reduce operators.
package struct ReductionForm: Sendable {
  /// Whether reduced axes stay, with extent 1.
  package let keepsAxes: Bool
  /// Whether empty axes mean none, rather than all.
  let ignoresEmptyAxes: Bool

  init(_ attributes: AttributeReader) throws {
    keepsAxes = try attributes.flag("keepdims", default: true)
    ignoresEmptyAxes = try attributes.flag("noop_with_empty_axes")
  }

  /// The axes to reduce, ascending.
  func axes(_ given: [Int]?, rank: Int) throws -> [Int] {
    guard let given, !given.isEmpty else { return ignoresEmptyAxes ? [] : Array(0..<rank) }
    return Set(try given.map { try normalizedAxis($0, rank: rank) }).sorted()
  }

  func outputShape(_ shape: [Dimension], reducing axes: [Int]) -> [Dimension] {
    shape.indices.compactMap { axis in
      guard axes.contains(axis) else { return shape[axis] }
      return keepsAxes ? 1 : nil
    }
  }
}

/// An operator that reduces input 0 over the axes in input 1.
protocol ReduceOperator: Operator {
  static var elementTypes: Set<ElementType> { get }
  /// The version that made `axes` an input.
  static var axesAreInputSince: Int { get }
  var form: ReductionForm { get }
  init(form: ReductionForm)
  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel
}

extension ReduceOperator {
  package static var widening: Widening { .rounds }

  static var elementTypes: Set<ElementType> {
    .floatingPoint.union([.int32, .int64, .uint32, .uint64])
  }

  static var axesAreInputSince: Int { 18 }

  package init(_ attributes: AttributeReader) throws {
    self.init(form: try ReductionForm(attributes))
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < axesAreInputSince { try node.moveToInput("axes", at: 1, in: &context) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let axes = try node.constantIntegers("axes", at: 1, in: context) ?? []
    let ignoresEmptyAxes = try AttributeReader(node.attributes).flag("noop_with_empty_axes")
    guard !axes.isEmpty || !ignoresEmptyAxes else {
      throw GraftError.unsupported("'noop_with_empty_axes' is newer")
    }
    node.attributes["noop_with_empty_axes"] = nil
    node.removeInputs(from: 1)
    if !axes.isEmpty { node.attributes["axes"] = .ints(axes) }
    try node.countAxesFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, Self.elementTypes)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    if context.hasInput(1) { try context.require(1, [.int64]) }
    let shape = try context.shape(0)
    if form.keepsAxes {
      context.setOutput(0, elementType, [Dimension](repeating: .unknown, count: shape.count))
    }
    let axes = try form.axes(try context.integers(1), rank: shape.count)
    context.setOutput(0, elementType, form.outputShape(shape, reducing: axes))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let axes = try form.axes(try context.integers(1), rank: try context.input(0).rank)
    return try prepare(context, axes: axes)
  }
}

extension ReduceOperator {
  /// A value of the output's shape, with the removed axes restored with extent 1.
  func restoringAxes(_ value: ValueID, _ builder: inout GradientBuilder) -> ValueID {
    guard !form.keepsAxes, builder.node.inputs.count > 1, let axes = builder.node.inputs[1] else {
      return value
    }
    return builder.add("Unsqueeze", [value, axes])
  }

  /// The output's gradient, repeated along the reduced axes.
  func expandedGradient(_ builder: inout GradientBuilder) throws -> ValueID {
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let shape = builder.add("Shape", [try builder.input(0)])
    return builder.add("Expand", [gradient, shape])
  }
}
