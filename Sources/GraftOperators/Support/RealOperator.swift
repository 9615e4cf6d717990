import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator over real numbers whose kernel is written once, for `Float` and `Double`.
///
/// It computes in double if any floating-point input or output is double, otherwise (float,
/// bfloat16, float16) in float.
protocol RealOperator: Operator {
  /// Makes the kernel; all floating-point inputs and outputs are of type `Element`.
  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel
}

extension RealOperator {
  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try prepareReal(context)
  }

  /// Chooses the type of the computation.
  func prepareReal(_ context: PrepareContext) throws -> PreparedKernel {
    let types = Set((context.inputs + context.outputs).compactMap { $0?.elementType })
      .intersection(.floatingPoint)
    if types.contains(.double) {
      guard types.count > 1 else { return try prepare(context, computingIn: Double.self) }
      return try context.converting(types.subtracting([.double]), to: .double) {
        try prepare($0, computingIn: Double.self)
      }
    }
    let narrow = types.intersection(.halfPrecision)
    guard !narrow.isEmpty else { return try prepare(context, computingIn: Float.self) }
    return try context.converting(narrow, to: .float) {
      try prepare($0, computingIn: Float.self)
    }
  }
}

extension InferenceContext {
  /// - Throws: `GraftError` if input `index` is known to have another shape than `expected`
  func requireShapeAgrees(_ index: Int, _ expected: [Dimension]) throws {
    guard hasInput(index), let shape = try input(index).shape else { return }
    let agrees =
      shape.count == expected.count
      && zip(shape, expected).allSatisfy { found, wanted in
        guard let found = found.known, let wanted = wanted.known else { return true }
        return found == wanted
      }
    guard agrees else {
      throw GraftError.badData("input \(index) has shape \(shape); expected \(expected)")
    }
  }

  /// - Throws: `GraftError` if the rank of input `index` is too low
  func requireRank(_ index: Int, atLeast rank: Int) throws {
    guard let shape = try input(index).shape, shape.count < rank else { return }
    throw GraftError.badData(
      "input \(index) has shape \(shape); expected a rank of at least \(rank)")
  }
}
