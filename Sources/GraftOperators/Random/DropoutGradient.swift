import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of Dropout's data: dx = dy mask / (1 - ratio) in training, otherwise dx = dy.
///
/// Inputs: dy, mask (bool), ratio (a scalar, 1/2 by default), training mode (a bool scalar, true by
/// default).
struct DropoutGradient: Operator {
  static let schema = OperatorSchema(
    "DropoutGradient", domain: "graft", since: [1], inputs: 2...4)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    try context.require(1, [.bool])
    if let shape = try context.input(0).shape?.knownShape,
      let maskShape = try context.input(1).shape?.knownShape, shape != maskShape
    {
      throw GraftError.badData("the mask has the shape \(maskShape), the gradient \(shape)")
    }
    if context.hasInput(2) {
      try context.require(2, .floatingPointAndFloat8)
      try context.requireOneElement(2)
    }
    if context.hasInput(3) {
      try context.require(3, [.bool])
      try context.requireOneElement(3)
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float: return try kernel(context, Float.self)
    case .double: return try kernel(context, Double.self)
    default: return try context.converting([type], to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: TensorElement & BinaryFloatingPoint>(
    _ context: PrepareContext, _: Element.Type
  ) throws -> PreparedKernel {
    let ratioType = context.hasInput(2) ? try context.input(2).elementType : nil
    let hasMode = context.hasInput(3)
    return PreparedKernel.parallel(
      count: try context.input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      let gradient = arguments.input(0, as: Element.self)
      let mask = arguments.input(1, as: UInt8.self)
      let result = arguments.output(0, as: Element.self)
      let isTraining = !hasMode || arguments.flag(3)
      let ratio = isTraining ? try arguments.dropoutRatio(2, ratioType) : 0
      let scale = Element(1 / (1 - ratio))
      for index in range { result[index] = mask[index] != 0 ? gradient[index] * scale : 0 }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "half of them",
        inputs: [.floats([1, 2, 3], [3]), .bools([true, false, true], [3])],
        outputs: [.floats([2, 0, 6], [3])]),
      OperatorExample(
        "outside of training",
        inputs: [
          .floats([1, 2], [2, 1]), .bools([true, true], [2, 1]), .floats([0.75], []),
          .bools([false], []),
        ],
        outputs: [.floats([1, 2], [2, 1])]),
    ]
  }
}
