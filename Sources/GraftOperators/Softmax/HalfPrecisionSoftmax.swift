import GraftExecution
import GraftTensor

/// Softmax of float16 and bfloat16 as in the specification's function body: the difference from the
/// maximum, the exponential, the sum and the quotient are each rounded to the element type.
struct HalfPrecisionSoftmax: Sendable {
  let layout: AxisLayout
  let elementType: ElementType

  /// A kernel for `context`, whose input and output are of the same half-precision type.
  static func prepare(_ context: PrepareContext, axis: Int) throws -> PreparedKernel {
    let input = try context.input(0)
    let softmax = HalfPrecisionSoftmax(
      layout: try AxisLayout(input.shape, axis: axis), elementType: input.elementType)
    return try context.converting([input.elementType], to: .float) { _ in
      PreparedKernel.parallel(
        count: softmax.layout.columnCount, grain: max(1, 4096 / max(1, softmax.layout.length)),
        inPlaceInputs: [0]
      ) { arguments, columns in
        softmax.run(
          columns, arguments.input(0, as: Float.self), arguments.output(0, as: Float.self))
      }
    }
  }

  private func rounded(_ value: Float) -> Float {
    elementType == .float16 ? Float(Float16(value)) : BFloat16(value).float
  }

  private func run(
    _ columns: Range<Int>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    for column in columns {
      let start = layout.start(ofColumn: column)
      let places = stride(
        from: start, to: start + layout.length * layout.stride, by: layout.stride)
      var largest = -Float.infinity
      for place in places { largest = x[place].isNaN ? .nan : max(largest, x[place]) }
      var sum: Float = 0
      for place in places {
        y[place] = rounded(Float.exponential(rounded(x[place] - largest)))
        sum += y[place]
      }
      sum = rounded(sum)
      for place in places { y[place] = rounded(y[place] / sum) }
    }
  }
}
