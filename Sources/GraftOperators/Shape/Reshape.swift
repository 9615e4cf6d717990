import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The same elements with another shape; 0 keeps an extent (unless `allowzero`), -1 is the
/// remaining extent.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Reshape.html>
package struct Reshape: Operator {
  package static let schema = OperatorSchema(
    "Reshape", since: [1, 5, 13, 14, 19, 21, 23, 24, 25], sameSince: 5, inputs: 2...2)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyReshapes = true

  let allowsZero: Bool

  package init(_ attributes: AttributeReader) throws {
    allowsZero = try attributes.flag("allowzero")
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 5 else { return }
    try node.moveToInput("shape", at: 1, in: &context)
    node.attributes["consumed_inputs"] = nil
  }

  /// Before opset 5 the shape is an attribute.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let target = try? node.constantIntegers("shape", at: 1, in: context)
    guard let shape = target ?? context.staticShape(of: node.outputs[0], from: node.inputs[0])
    else {
      throw GraftError.unsupported("the shape is not a constant")
    }
    guard try !AttributeReader(node.attributes).flag("allowzero") || !shape.contains(0) else {
      throw GraftError.unsupported("'allowzero' is newer")
    }
    node.attributes["allowzero"] = nil
    node.attributes["shape"] = .ints(shape)
    node.removeInputs(from: 1)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(1, [.int64])
    if let rank = try context.vectorLength(1), rank <= 64 {
      context.setOutput(0, elementType, Array(repeating: .unknown, count: rank))
    }
    let target = try context.contents(1).integers()
    let inputShape = try context.input(0).shape
    context.setOutput(0, elementType, try outputShape(target, from: inputShape))
  }

  private func outputShape(_ target: [Int], from input: [Dimension]?) throws -> [Dimension] {
    var shape: [Dimension] = []
    var inferredAxis: Int?
    for (axis, extent) in target.enumerated() {
      switch extent {
      case 0 where !allowsZero:
        guard let input else {
          shape.append(.unknown)
          continue
        }
        guard axis < input.count else {
          throw GraftError.badData(
            "shape \(target) keeps axis \(axis) of an input of rank \(input.count)")
        }
        shape.append(input[axis])
      case -1:
        guard inferredAxis == nil else {
          throw GraftError.badData("shape \(target) leaves more than one extent open")
        }
        inferredAxis = axis
        shape.append(.unknown)
      case ..<(-1): throw GraftError.badData("shape \(target) has a negative extent")
      default: shape.append(.known(extent))
      }
    }
    guard let input else { return shape }
    if let inferredAxis {
      var others = shape
      others.remove(at: inferredAxis)
      shape[inferredAxis] = try quotient(input, by: others, target)
    }
    if let inputCount = try input.knownShape?.checkedElementCount(),
      let outputCount = try shape.knownShape?.checkedElementCount(), inputCount != outputCount
    {
      throw GraftError.badData("\(inputCount) elements do not fill the shape \(target)")
    }
    return shape
  }

  /// The quotient of the element counts of `input` and `others`; symbols cancel.
  private func quotient(
    _ input: [Dimension], by others: [Dimension], _ target: [Int]
  ) throws -> Dimension {
    let inputCount = try input.compactMap(\.known).checkedElementCount()
    let otherCount = try others.compactMap(\.known).checkedElementCount()
    var symbols = input.filter { $0.known == nil }
    for symbol in others where symbol.known == nil {
      guard symbol != .unknown, let place = symbols.firstIndex(of: symbol) else { return .unknown }
      symbols.remove(at: place)
    }
    switch symbols.count {
    case 0:
      guard otherCount > 0, inputCount % otherCount == 0 else {
        throw GraftError.badData("\(inputCount) elements do not fill the shape \(target)")
      }
      return .known(inputCount / otherCount)
    case 1: return inputCount == otherCount && inputCount > 0 ? symbols[0] : .unknown
    default: return .unknown
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setReshapedInputGradient()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "infers an extent",
        inputs: [.floats([1, 2, 3, 4, 5, 6], [2, 3]), .integers([3, -1], [2])],
        outputs: [.floats([1, 2, 3, 4, 5, 6], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "keeps an extent",
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .integers([0, 1, 2], [3])],
        outputs: [.floats([1, 2, 3, 4], [2, 1, 2])]),
      OperatorExample(
        "zero extents", attributes: ["allowzero": .int(1)],
        inputs: [.floats([], [0, 3, 4]), .integers([3, 4, 0], [3])],
        outputs: [.floats([], [3, 4, 0])]),
    ]
  }
}
