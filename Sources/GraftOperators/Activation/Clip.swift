import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// y = min(max(x, min), max); both bounds are optional.
///
/// Up to opset 10 the bounds were attributes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Clip.html>
package struct Clip: Operator {
  package static let schema = OperatorSchema(
    "Clip", since: [1, 6, 11, 12, 13], sameSince: 11, inputs: 1...3)
  package static let operandCount = 1
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.dropConsumedInputs()
    guard version < 11 else { return }
    for (index, name) in [(1, "min"), (2, "max")] {
      guard let bound = try AttributeReader(node.attributes).float(name) else { continue }
      node.attributes[name] = nil
      while node.inputs.count <= index { node.inputs.append(nil) }
      node.inputs[index] = try context.addScalar(Double(bound), like: node.inputs[0])
    }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    for (index, name) in [(1, "min"), (2, "max")] where index < node.inputs.count {
      guard let input = node.inputs[index] else { continue }
      guard let bound = context.constant(input), bound.elementCount == 1,
        let value = try bound.doubles().first, value.isNaN || Double(Float(value)) == value
      else { throw GraftError.unsupported("'\(name)' is not a float constant") }
      node.attributes[name] = .float(Float(value))
    }
    node.removeInputs(from: 1)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    try context.requireSameElementType([0, 1, 2])
    for index in 1...2 where context.hasInput(index) { try context.requireOneElement(index) }
    try context.setOutputLikeInput()
  }

  package func fusedActivation(_ context: InferenceContext) throws -> Activation? {
    guard let low = try context.constantScalar(1, default: -.infinity),
      let high = try context.constantScalar(2, default: .infinity), low <= high
    else { return nil }
    return Activation(GRAFT_ACTIVATION_CLAMP, low, high)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float:
      let clip = try context.vectorFunction { $0.clip }
      return try kernel(context, -Float.infinity, .infinity) { x, y, count, low, high in
        clip(x, y, count, low, high)
      }
    case .double: return try kernel(context, -Double.infinity, .infinity, clip)
    case .int8: return try kernel(context, Int8.min, .max, clip)
    case .int16: return try kernel(context, Int16.min, .max, clip)
    case .int32: return try kernel(context, Int32.min, .max, clip)
    case .int64: return try kernel(context, Int64.min, .max, clip)
    case .uint8: return try kernel(context, UInt8.min, .max, clip)
    case .uint16: return try kernel(context, UInt16.min, .max, clip)
    case .uint32: return try kernel(context, UInt32.min, .max, clip)
    case .uint64: return try kernel(context, UInt64.min, .max, clip)
    default: return try context.converting([type], to: .float) { try prepare($0) }
    }
  }

  /// - Parameters:
  ///   - lowest: the bound where `min` is left out
  ///   - highest: the bound where `max` is left out
  private func kernel<Element: TensorElement>(
    _ context: PrepareContext, _ lowest: Element, _ highest: Element,
    _ body:
      @escaping @Sendable (
        UnsafePointer<Element>, UnsafeMutablePointer<Element>, Int, Element, Element
      ) -> Void
  ) throws -> PreparedKernel {
    let hasMinimum = context.hasInput(1)
    let hasMaximum = context.hasInput(2)
    return PreparedKernel.parallel(
      count: try context.input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      body(
        arguments.input(0, as: Element.self) + range.lowerBound,
        arguments.output(0, as: Element.self) + range.lowerBound, range.count,
        hasMinimum ? arguments.input(1, as: Element.self).pointee : lowest,
        hasMaximum ? arguments.input(2, as: Element.self).pointee : highest)
    }
  }

  /// The gradient passes where nothing was clipped.
  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let inputs = [try builder.outputGradient(), try builder.output(0)]
    builder.setInputGradient(
      0, builder.add("ClipGradient", domain: "graft", inputs + builder.node.inputs.dropFirst()))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both bounds",
        inputs: [.floats([-2, 0.5, 2], [3]), .floats([-1], []), .floats([1], [])],
        outputs: [.floats([-1, 0.5, 1], [3])], differentiableInputs: [0]),
      OperatorExample(
        "no lower bound",
        inputs: [.floats([-2, 0.5, .nan], [3, 1]), nil, .floats([0], [])],
        outputs: [.floats([-2, 0, .nan], [3, 1])]),
      OperatorExample(
        "min above max",
        inputs: [.floats([-2, 0, 6], [3]), .floats([2], []), .floats([1], [])],
        outputs: [.floats([1, 1, 1], [3])]),
      OperatorExample(
        "integers", inputs: [.integers([-2, 7, .max], [3]), .integers([0], [])],
        outputs: [.integers([0, 7, .max], [3])]),
    ]
  }
}

@Sendable private func clip<Element: Comparable>(
  _ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>, _ count: Int, _ low: Element,
  _ high: Element
) {
  for index in 0..<count {
    let raised = x[index] < low ? low : x[index]
    y[index] = raised > high ? high : raised
  }
}
