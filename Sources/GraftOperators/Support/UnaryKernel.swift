typealias UnaryBody<Element> =
  @Sendable (_ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>, _ count: Int) -> Void

extension PrepareContext {
  /// A kernel that maps each element of input 0 to one of output 0, both of the same type.
  ///
  /// float16 and bfloat16 are computed in float, the narrower integers in int64.
  func unaryKernel(
    float: @escaping UnaryBody<Float>, double: @escaping UnaryBody<Double>,
    int64: UnaryBody<Int64>? = nil
  ) throws -> PreparedKernel {
    let type = try input(0).elementType
    switch type {
    case .float: return try elementwise(float)
    case .double: return try elementwise(double)
    case .int64:
      if let int64 { return try elementwise(int64) }
    case .float16, .bfloat16:
      return try converting([type], to: .float) {
        try $0.unaryKernel(float: float, double: double, int64: int64)
      }
    default:
      if type.isInteger, int64 != nil {
        return try converting([type], to: .int64) {
          try $0.unaryKernel(float: float, double: double, int64: int64)
        }
      }
    }
    throw GraftError.unsupported("no kernel for element type \(type)")
  }

  private func elementwise<Element>(_ body: @escaping UnaryBody<Element>) throws -> PreparedKernel {
    PreparedKernel.parallel(
      count: try input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      body(
        arguments.input(0, as: Element.self) + range.lowerBound,
        arguments.output(0, as: Element.self) + range.lowerBound, range.count)
    }
  }
}
