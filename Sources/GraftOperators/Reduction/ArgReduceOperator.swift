import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The decoded attributes of ArgMax and ArgMin.
struct ArgReductionForm: Sendable {
  let axis: Int
  let keepsAxis: Bool
  let selectsLast: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
    keepsAxis = try attributes.flag("keepdims", default: true)
    selectsLast = try attributes.flag("select_last_index")
  }
}

/// An operator that finds the position of an extreme along an axis. NaN beats everything, as in
/// NumPy.
protocol ArgReduceOperator: Operator {
  associatedtype Selected: Extreme
  var form: ArgReductionForm { get }
  init(form: ArgReductionForm)
}

extension ArgReduceOperator {
  package init(_ attributes: AttributeReader) throws {
    self.init(form: try ArgReductionForm(attributes))
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    context.setOutput(0, .int64, nil)
    var shape = try context.shape(0)
    let axis = try normalizedAxis(form.axis, rank: shape.count)
    guard shape[axis] != 0 else {
      throw GraftError.badData("axis \(axis) has extent 0, where nothing can be selected")
    }
    if form.keepsAxis { shape[axis] = 1 } else { shape.remove(at: axis) }
    context.setOutput(0, .int64, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float: return try kernel(context, Float.self)
    case .double: return try kernel(context, Double.self)
    case .int8: return try kernel(context, Int8.self)
    case .int16: return try kernel(context, Int16.self)
    case .int32: return try kernel(context, Int32.self)
    case .int64: return try kernel(context, Int64.self)
    case .uint8: return try kernel(context, UInt8.self)
    case .uint16: return try kernel(context, UInt16.self)
    case .uint32: return try kernel(context, UInt32.self)
    case .uint64: return try kernel(context, UInt64.self)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: Comparable & BitwiseCopyable & Sendable>(
    _ context: PrepareContext, _: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let split = AxisSplit(shape, axis: try normalizedAxis(form.axis, rank: shape.count))
    let selectsLast = form.selectsLast
    let blockCount = 256
    return .parallel(
      count: split.columnCount, grain: max(1, 16384 / max(1, split.extent)),
      workerScratchByteCount: blockCount * MemoryLayout<Element>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let best = scratch.bindMemory(to: Element.self, capacity: blockCount)
      let elements = arguments.input(0, as: Element.self)
      let results = arguments.output(0, as: Int64.self)
      split.forEachRun(in: range, limit: blockCount) { offset, column, count in
        let places = results + column
        best.update(from: elements + offset, count: count)
        places.update(repeating: 0, count: count)
        for place in 1..<max(1, split.extent) {
          let row = elements + offset + place * split.innerCount
          for index in 0..<count {
            let candidate = row[index]
            if Self.replaces(candidate, best[index], selectsLast: selectsLast) {
              best[index] = candidate
              places[index] = Int64(place)
            }
          }
        }
      }
    }
  }

  /// Whether an element replaces the best one before it.
  @inline(__always)
  private static func replaces<Element: Comparable>(
    _ candidate: Element, _ best: Element, selectsLast: Bool
  ) -> Bool {
    if Selected.beats(candidate, best) { return true }
    let isNaN = candidate != candidate
    let bestIsNaN = best != best
    if selectsLast { return candidate == best || isNaN }
    return isNaN && !bestIsNaN
  }
}
