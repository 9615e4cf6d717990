import CGraftKernels
import GraftExecution
import GraftTensor

/// The contribution of each element to a sum.
enum SumTerm: Sendable {
  case element, square, magnitude
}

extension PrepareContext {
  /// A kernel that sums terms of input 0 over `axes`. Floating-point sums are accumulated in
  /// double; integers wrap.
  ///
  /// - Parameters:
  ///   - finish: computes the result from a sum
  ///   - finishInteger: the same for integers; without it they are computed in double
  func sumKernel<Finish: SumFinish>(
    axes: [Int], of term: SumTerm, finish: Finish.Type,
    finishInteger: (any IntegerFinish.Type)? = nil
  ) throws -> PreparedKernel {
    let type = try input(0).elementType
    switch type {
    case .float:
      return try reductionKernel(
        axes: axes, floatSums(of: term), finish: { Float(Finish.finish($0, count: $1)) })
    case .double:
      return try reductionKernel(
        axes: axes, doubleSums(of: term), finish: { Finish.finish($0, count: $1) })
    case .float16, .bfloat16:
      return try converting(.halfPrecision, to: .float) {
        try $0.sumKernel(axes: axes, of: term, finish: finish)
      }
    default:
      guard let finishInteger else {
        return try converting([type], to: .double) {
          try $0.sumKernel(axes: axes, of: term, finish: finish)
        }
      }
      return try integerSumKernel(axes: axes, of: term, finishInteger)
    }
  }

  private func integerSumKernel(
    axes: [Int], of term: SumTerm, _ finish: any IntegerFinish.Type
  ) throws -> PreparedKernel {
    func sum<Element: FixedWidthInteger & Sendable & BitwiseCopyable, Finish: IntegerFinish>(
      _: Element.Type, _: Finish.Type
    ) throws -> PreparedKernel {
      let loops: ReductionLoops<Element, Element> =
        switch term {
        case .element: ReductionLoops(IntegerSum<Element, PlainTerm>.self)
        case .square: ReductionLoops(IntegerSum<Element, SquareTerm>.self)
        case .magnitude: ReductionLoops(IntegerSum<Element, MagnitudeTerm>.self)
        }
      return try reductionKernel(axes: axes, loops) { Finish.finish($0, count: $1) }
    }
    let type = try input(0).elementType
    switch type {
    case .int64: return try sum(Int64.self, finish)
    case .uint64: return try sum(UInt64.self, finish)
    default:
      return try converting([type], to: .int64) {
        try $0.integerSumKernel(axes: axes, of: term, finish)
      }
    }
  }

  private func floatSums(of term: SumTerm) -> ReductionLoops<Float, Double> {
    let table = instructionSet.kernels.pointee.reduce.pointee
    let functions =
      switch term {
      case .element: table.sum
      case .square: table.sum_of_squares
      case .magnitude: table.sum_of_magnitudes
      }
    return ReductionLoops(
      FloatingPointSum<Float, PlainTerm>.self,
      reduce: { functions.reduce($0, $1, Int64($2), Int64($3), Int64($4)) },
      accumulate: { functions.accumulate($0, $1, Int64($2)) })
  }

  private func doubleSums(of term: SumTerm) -> ReductionLoops<Double, Double> {
    switch term {
    case .element: ReductionLoops(FloatingPointSum<Double, PlainTerm>.self)
    case .square: ReductionLoops(FloatingPointSum<Double, SquareTerm>.self)
    case .magnitude: ReductionLoops(FloatingPointSum<Double, MagnitudeTerm>.self)
    }
  }
}

// The functions that the rows point to are stateless.
extension graft_sum_f32_rows: @unchecked @retroactive Sendable {}

/// Computes the result from a sum of `count` terms.
protocol SumFinish: Sendable {
  static func finish(_ sum: Double, count: Int) -> Double
}

/// The sum itself.
enum Total: SumFinish {
  @inline(__always)
  static func finish(_ sum: Double, count: Int) -> Double { sum }
}

/// Computes the result from a sum of integers.
protocol IntegerFinish: Sendable {
  static func finish<Element: FixedWidthInteger>(_ sum: Element, count: Int) -> Element
}

/// The sum itself.
enum IntegerTotal: IntegerFinish {
  static func finish<Element: FixedWidthInteger>(_ sum: Element, count: Int) -> Element { sum }
}

private protocol Term: Sendable {
  static func of(_ element: Double) -> Double
  static func of<Element: FixedWidthInteger>(_ element: Element) -> Element
}

private enum PlainTerm: Term {
  @inline(__always)
  static func of(_ element: Double) -> Double { element }
  @inline(__always)
  static func of<Element: FixedWidthInteger>(_ element: Element) -> Element { element }
}

private enum SquareTerm: Term {
  @inline(__always)
  static func of(_ element: Double) -> Double { element * element }
  @inline(__always)
  static func of<Element: FixedWidthInteger>(_ element: Element) -> Element { element &* element }
}

private enum MagnitudeTerm: Term {
  @inline(__always)
  static func of(_ element: Double) -> Double { element.magnitude }
  @inline(__always)
  static func of<Element: FixedWidthInteger>(_ element: Element) -> Element {
    Element(truncatingIfNeeded: element.magnitude)
  }
}

private enum FloatingPointSum<Element: BinaryFloatingPoint & Sendable, T: Term>: Reduction {
  static var identity: Double { 0 }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout Double) {
    accumulator += T.of(Double(element))
  }

  @inline(__always)
  static func merge(_ other: Double, into accumulator: inout Double) { accumulator += other }
}

private enum IntegerSum<
  Element: FixedWidthInteger & Sendable & BitwiseCopyable, T: Term
>: Reduction {
  static var identity: Element { 0 }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout Element) {
    accumulator = accumulator &+ T.of(element)
  }

  @inline(__always)
  static func merge(_ other: Element, into accumulator: inout Element) {
    accumulator = accumulator &+ other
  }
}
