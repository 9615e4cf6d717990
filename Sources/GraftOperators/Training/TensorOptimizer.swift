import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An optimizer of ONNX: one step that changes any number of tensors by their gradients.
///
/// Inputs: the learning rate and the number of steps before this one, both of one element; then the
/// n tensors, their n gradients, and n tensors for each state of the rule. Outputs: the n new
/// tensors, and n for each new state.
protocol TensorOptimizer: Operator {
  associatedtype Rule: OptimizerRule

  /// The tensors of state for each optimized one.
  static var stateCount: Int { get }

  /// The rule of one step.
  func rule(rate: Double, step: Int) -> Rule
}

/// How an optimizer changes elements.
protocol OptimizerRule {
  func update<Element: RealElement>(_ elements: OptimizedElements<Element>)
}

/// Some elements of a tensor, with the gradient and up to two states. Outputs that nobody reads
/// have no memory.
struct OptimizedElements<Element: RealElement> {
  let count: Int
  let x: UnsafePointer<Element>
  let gradient: UnsafePointer<Element>
  let states: (UnsafePointer<Element>?, UnsafePointer<Element>?)
  let newX: UnsafeMutablePointer<Element>?
  let newStates: (UnsafeMutablePointer<Element>?, UnsafeMutablePointer<Element>?)
}

extension TensorOptimizer {
  /// The tensors for each optimized one: itself, its gradient, and its states.
  private static var roleCount: Int { 2 + stateCount }

  func infer(_ context: inout InferenceContext) throws {
    let count = (context.inputCount - 2) / Self.roleCount
    guard count > 0, context.inputCount == 2 + count * Self.roleCount else {
      throw GraftError.badData(
        "has \(context.inputCount) inputs; expected 2, and \(Self.roleCount) for each tensor")
    }
    guard context.outputCount <= count * (1 + Self.stateCount) else {
      throw GraftError.badData(
        "has \(context.outputCount) outputs; expected \(1 + Self.stateCount) for each tensor")
    }
    try context.require(0, [.float, .double])
    try context.requireOneElement(0)
    try context.require(1, [.int64])
    try context.requireOneElement(1)
    for index in 0..<count {
      let places = (0..<Self.roleCount).map { 2 + $0 * count + index }
      for place in places { try context.require(place, [.float, .double]) }
      try context.requireSameElementType(places)
      let tensor = try context.input(places[0])
      for role in 0..<(1 + Self.stateCount) {
        context.setOutput(role * count + index, .tensor(tensor))
      }
      guard let shape = tensor.shape else { continue }
      for place in places where try context.input(place).shape != nil {
        try context.requireShapeAgrees(place, shape)
      }
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = (context.inputs.count - 2) / Self.roleCount
    let hasDoubleRate = try context.input(0).elementType == .double
    return PreparedKernel(
      phases: try (0..<count).map { index in
        let tensor = try context.input(2 + index)
        return tensor.elementType == .double
          ? phase(Double.self, index, of: count, tensor.elementCount, hasDoubleRate)
          : phase(Float.self, index, of: count, tensor.elementCount, hasDoubleRate)
      })
  }

  private func phase<Element: RealElement>(
    _: Element.Type, _ index: Int, of tensorCount: Int, _ elementCount: Int, _ hasDoubleRate: Bool
  ) -> PreparedKernel.Phase {
    .parallel(count: elementCount, grain: 16384) { arguments, range in
      let rate =
        hasDoubleRate
        ? arguments.input(0, as: Double.self).pointee
        : Double(arguments.input(0, as: Float.self).pointee)
      let step = Int(arguments.input(1, as: Int64.self).pointee)
      let start = range.lowerBound
      func input(_ role: Int) -> UnsafePointer<Element> {
        arguments.input(2 + role * tensorCount + index, as: Element.self) + start
      }
      func output(_ role: Int) -> UnsafeMutablePointer<Element>? {
        arguments.optionalOutput(role * tensorCount + index, as: Element.self).map { $0 + start }
      }
      let hasTwo = Self.stateCount > 1
      rule(rate: rate, step: step).update(
        OptimizedElements(
          count: range.count, x: input(0), gradient: input(1),
          states: (input(2), hasTwo ? input(3) : nil), newX: output(0),
          newStates: (output(1), hasTwo ? output(2) : nil)))
    }
  }
}
