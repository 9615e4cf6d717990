import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// How an extreme compares elements.
protocol Extreme: Sendable {
  /// Whether `candidate` replaces `best`; false if one is NaN.
  static func beats<Element: Comparable>(_ candidate: Element, _ best: Element) -> Bool
  /// The extreme of no integers.
  static func start<Element: FixedWidthInteger>(_: Element.Type) -> Element
  /// The extreme of no floating-point numbers.
  static func start<Element: BinaryFloatingPoint>(_: Element.Type) -> Element
  static func floatLoops(in table: graft_reduce_table) -> graft_extreme_f32_rows
}

/// The largest element.
enum Maximum: Extreme {
  @inline(__always)
  static func beats<Element: Comparable>(_ candidate: Element, _ best: Element) -> Bool {
    candidate > best
  }

  static func start<Element: FixedWidthInteger>(_: Element.Type) -> Element { .min }
  static func start<Element: BinaryFloatingPoint>(_: Element.Type) -> Element { -.infinity }
  static func floatLoops(in table: graft_reduce_table) -> graft_extreme_f32_rows { table.maximum }
}

/// The smallest element.
enum Minimum: Extreme {
  @inline(__always)
  static func beats<Element: Comparable>(_ candidate: Element, _ best: Element) -> Bool {
    candidate < best
  }

  static func start<Element: FixedWidthInteger>(_: Element.Type) -> Element { .max }
  static func start<Element: BinaryFloatingPoint>(_: Element.Type) -> Element { .infinity }
  static func floatLoops(in table: graft_reduce_table) -> graft_extreme_f32_rows { table.minimum }
}

// The functions that the rows point to are stateless.
extension graft_extreme_f32_rows: @unchecked @retroactive Sendable {}

extension PrepareContext {
  /// A kernel that finds the extreme of input 0 over `axes`; NaN takes precedence.
  func extremeKernel<E: Extreme>(axes: [Int], _ extreme: E.Type) throws -> PreparedKernel {
    func find<Element: FixedWidthInteger & Sendable & BitwiseCopyable>(
      _: Element.Type
    ) throws -> PreparedKernel {
      let loops = ReductionLoops(IntegerExtreme<Element, E>.self)
      return try reductionKernel(axes: axes, loops) { extreme, _ in extreme }
    }
    let type = try input(0).elementType
    switch type {
    case .float:
      let functions = E.floatLoops(
        in: instructionSet.kernels.pointee.reduce.pointee)
      let loops = ReductionLoops(
        FloatingPointExtreme<Float, E>.self,
        reduce: { functions.reduce($0, $1, Int64($2), Int64($3), Int64($4)) },
        accumulate: { functions.accumulate($0, $1, Int64($2)) })
      return try reductionKernel(axes: axes, loops) { extreme, _ in extreme }
    case .double:
      let loops = ReductionLoops(FloatingPointExtreme<Double, E>.self)
      return try reductionKernel(axes: axes, loops) { extreme, _ in extreme }
    case .float16, .bfloat16:
      return try converting(.halfPrecision, to: .float) {
        try $0.extremeKernel(axes: axes, extreme)
      }
    case .bool:
      // Bytes from a file may be other than 0 or 1; the extreme of no elements is 0 or 255.
      let loops = ReductionLoops(IntegerExtreme<UInt8, E>.self)
      return try reductionKernel(axes: axes, loops) { extreme, _ in extreme == 0 ? 0 : 1 }
    case .int8: return try find(Int8.self)
    case .uint8: return try find(UInt8.self)
    case .int32: return try find(Int32.self)
    case .uint32: return try find(UInt32.self)
    case .int64: return try find(Int64.self)
    case .uint64: return try find(UInt64.self)
    default: throw GraftError.unsupported("no kernel for element type \(type)")
    }
  }
}

private enum IntegerExtreme<
  Element: FixedWidthInteger & Sendable & BitwiseCopyable, E: Extreme
>: Reduction {
  static var identity: Element { E.start(Element.self) }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout Element) {
    if E.beats(element, accumulator) { accumulator = element }
  }

  @inline(__always)
  static func merge(_ other: Element, into accumulator: inout Element) {
    accumulate(other, into: &accumulator)
  }
}

private enum FloatingPointExtreme<
  Element: BinaryFloatingPoint & Sendable & BitwiseCopyable, E: Extreme
>: Reduction {
  static var identity: Element { E.start(Element.self) }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout Element) {
    if E.beats(element, accumulator) || element != element { accumulator = element }
  }

  @inline(__always)
  static func merge(_ other: Element, into accumulator: inout Element) {
    accumulate(other, into: &accumulator)
  }
}

extension ReduceOperator {
  /// The gradient of an extreme: the output's gradient is divided equally among the elements that
  /// equal it.
  func setGradientOfExtreme(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let extreme = restoringAxes(try builder.output(0), &builder)
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let one = try builder.addScalar(1, like: input)
    let zero = try builder.addScalar(0, like: input)
    let share = builder.add("Where", [builder.add("Equal", [input, extreme]), one, zero])
    var attributes = builder.node.attributes
    attributes["keepdims"] = .int(1)
    let axes = builder.node.inputs.count > 1 ? builder.node.inputs[1] : nil
    let count = builder.add("ReduceSum", [share, axes], attributes: attributes)
    builder.setInputGradient(
      0, builder.add("Mul", [share, builder.add("Div", [gradient, count])]))
  }
}
