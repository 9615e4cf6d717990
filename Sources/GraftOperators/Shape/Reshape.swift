/// The same elements under another shape; 0 keeps an extent, -1 takes what is left.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Reshape.html>
struct Reshape: Operator {
  static let schema = OperatorSchema(
    "Reshape", since: [1, 5, 13, 14, 19, 21, 23, 24, 25], sameSince: 5, inputs: 2...2)

  let allowsZero: Bool

  init(_ attributes: AttributeReader) throws {
    allowsZero = try attributes.flag("allowzero")
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 5 else { return }
    try node.moveToInput("shape", at: 1, in: &context)
    node.attributes["consumed_inputs"] = nil
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
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
    guard let inputCount = try input?.knownShape?.checkedElementCount() else { return shape }
    if let inferredAxis {
      var others = shape
      others[inferredAxis] = 1
      guard let otherCount = try others.knownShape?.checkedElementCount() else { return shape }
      guard otherCount > 0, inputCount % otherCount == 0 else {
        throw GraftError.badData("\(inputCount) elements do not fill the shape \(target)")
      }
      shape[inferredAxis] = .known(inputCount / otherCount)
    }
    if let outputCount = try shape.knownShape?.checkedElementCount() {
      guard outputCount == inputCount else {
        throw GraftError.badData("\(inputCount) elements do not fill the shape \(target)")
      }
    }
    return shape
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  func gradient(_ builder: inout GradientBuilder) throws {
    let shape = builder.add("Shape", [try builder.input(0)])
    builder.setInputGradient(0, builder.add("Reshape", [try builder.outputGradient(), shape]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "infers an extent",
        inputs: [.floats([1, 2, 3, 4, 5, 6], [2, 3]), .integers([3, -1], [2])],
        outputs: [.floats([1, 2, 3, 4, 5, 6], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "keeps an extent",
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .integers([0, 1, 2], [3])],
        outputs: [.floats([1, 2, 3, 4], [2, 1, 2])]),
    ]
  }
}
