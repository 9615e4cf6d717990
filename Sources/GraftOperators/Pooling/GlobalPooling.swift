import GraftExecution
import GraftGraph

/// The common part of global poolings: input `[N, C, D1, …]`, output `[N, C, 1, …]`.
enum GlobalPooling {
  static func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    try context.requireRank(0, atLeast: 2)
    context.setOutput(
      0, elementType, Array(shape[..<2]) + [Dimension](repeating: 1, count: shape.count - 2))
  }

  /// A kernel that reduces each plane of `count` elements to one element.
  static func kernel<Element: RealElement>(
    _ context: PrepareContext, _: Element.Type, work: Int = 16384,
    reduce: @escaping @Sendable (_ plane: UnsafePointer<Element>, _ count: Int) -> Element
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let count = shape[2...].reduce(1, *)
    return PreparedKernel.parallel(
      count: shape[0] * shape[1], grain: max(1, work / max(1, count))
    ) { arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes { y[plane] = reduce(x + plane * count, count) }
    }
  }
}

extension GradientBuilder {
  /// The spatial axes of input 0, for reductions.
  ///
  /// - Throws: `GraftError` if its rank is unknown
  mutating func spatialAxes() throws -> ValueID {
    try addAxes(Array(2..<(try rank(of: input(0)))))
  }
}
