import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The decoded attributes of CumSum and CumProd.
struct CumulativeForm: Sendable {
  /// Whether an element is excluded from its own result.
  let isExclusive: Bool
  let isReversed: Bool

  init(_ attributes: AttributeReader) throws {
    isExclusive = try attributes.flag("exclusive")
    isReversed = try attributes.flag("reverse")
  }
}

/// How an element is combined with those before it.
protocol CumulativeOperation: Sendable {
  /// The result for no elements: 0 or 1.
  static var identity: Int { get }
  static func join<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element
  static func join<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element
}

/// An operator that combines all elements up to each one along an axis. Floating-point results are
/// accumulated in double; integers wrap.
protocol CumulativeOperator: Operator, CumulativeOperation {
  var form: CumulativeForm { get }
  init(form: CumulativeForm)
}

extension CumulativeOperator {
  package init(_ attributes: AttributeReader) throws {
    self.init(form: try CumulativeForm(attributes))
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint.union([.int32, .int64, .uint32, .uint64]))
    try context.require(1, [.int32, .int64])
    try context.setOutputLikeInput()
    let shape = try context.shape(0)
    _ = try Self.axis(try context.integers(1), rank: shape.count)
  }

  private static func axis(_ given: [Int]?, rank: Int) throws -> Int {
    guard let given, given.count == 1 else {
      throw GraftError.badData("input 1 is \(given ?? []); expected one axis")
    }
    return try normalizedAxis(given[0], rank: rank)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float: return try kernel(context, FloatingPointScan<Self, Float>.self)
    case .double: return try kernel(context, FloatingPointScan<Self, Double>.self)
    case .int32, .uint32: return try kernel(context, IntegerScan<Self, UInt32>.self)
    case .int64, .uint64: return try kernel(context, IntegerScan<Self, UInt64>.self)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<S: Accumulation>(_ context: PrepareContext, _: S.Type) throws
    -> PreparedKernel
  {
    let shape = try context.input(0).shape
    let axis = try Self.axis(try context.integers(1), rank: shape.count)
    let split = AxisSplit(shape, axis: axis)
    let form = form
    let blockCount = 256
    return .parallel(
      count: split.extent == 0 ? 0 : split.columnCount,
      grain: max(1, 16384 / max(1, split.extent)),
      workerScratchByteCount: blockCount * MemoryLayout<S.Accumulator>.stride, inPlaceInputs: [0]
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let totals = scratch.bindMemory(to: S.Accumulator.self, capacity: blockCount)
      let elements = arguments.input(0, as: S.Element.self)
      let results = arguments.output(0, as: S.Element.self)
      split.forEachRun(in: range, limit: blockCount) { offset, _, count in
        totals.update(repeating: S.identity, count: count)
        for step in 0..<split.extent {
          let place = form.isReversed ? split.extent - 1 - step : step
          let row = offset + place * split.innerCount
          for index in 0..<count {
            let before = totals[index]
            let total = S.join(before, elements[row + index])
            totals[index] = total
            results[row + index] = S.element(form.isExclusive ? before : total)
          }
        }
      }
    }
  }
}

private protocol Accumulation: Sendable {
  associatedtype Element
  associatedtype Accumulator: BitwiseCopyable
  static var identity: Accumulator { get }
  static func join(_ total: Accumulator, _ element: Element) -> Accumulator
  static func element(_ total: Accumulator) -> Element
}

private enum FloatingPointScan<
  Operation: CumulativeOperation, Element: BinaryFloatingPoint
>: Accumulation {
  static var identity: Double { Double(Operation.identity) }

  @inline(__always)
  static func join(_ total: Double, _ element: Element) -> Double {
    Operation.join(total, Double(element))
  }

  @inline(__always)
  static func element(_ total: Double) -> Element { Element(total) }
}

/// The low bits of sums and products do not depend on signedness.
private enum IntegerScan<
  Operation: CumulativeOperation, Element: FixedWidthInteger & BitwiseCopyable
>: Accumulation {
  static var identity: Element { Element(Operation.identity) }

  @inline(__always)
  static func join(_ total: Element, _ element: Element) -> Element {
    Operation.join(total, element)
  }

  @inline(__always)
  static func element(_ total: Element) -> Element { total }
}
