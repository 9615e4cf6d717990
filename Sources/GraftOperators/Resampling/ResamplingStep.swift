import CGraftKernels
import GraftExecution

/// The input or output of a resampling step.
enum ResamplingPlace: Sendable {
  case input
  /// An offset in the scratch memory, in bytes.
  case scratch(Int)
  case output

  func source(_ arguments: KernelArguments) -> UnsafeRawPointer? {
    switch self {
    case .input: arguments.input(0)
    case .scratch(let offset): arguments.scratch.map { UnsafeRawPointer($0 + offset) }
    case .output: UnsafeRawPointer(arguments.output(0))
    }
  }

  func target(_ arguments: KernelArguments) -> UnsafeMutableRawPointer? {
    switch self {
    case .input: nil
    case .scratch(let offset): arguments.scratch.map { $0 + offset }
    case .output: arguments.output(0)
    }
  }
}

// The functions of the table are stateless.
extension graft_resampling_table: @unchecked @retroactive Sendable {}

/// One axis of a resampling: from `[outer, input extent, inner]` to `[outer, output extent,
/// inner]`.
struct ResamplingStep: Sendable {
  /// Computes rows of the result; both pointers are those of the whole tensors.
  private typealias Body =
    @Sendable (_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ rows: Range<Int>) -> Void

  let inputCount: Int
  let resultCount: Int
  /// The number of independent rows.
  let rowCount: Int
  /// The rows of a task.
  private let grain: Int
  private let body: Body

  init(
    _ pass: SeparableResampling.Pass, outer: Int, inner: Int, isDouble: Bool,
    _ instructionSet: InstructionSet
  ) {
    let axis = pass.weights
    inputCount = outer * axis.inputExtent * inner
    resultCount = outer * axis.outputExtent * inner
    let tapsPerElement = max(1, axis.indices.count / max(1, axis.outputExtent))
    func grain(_ rowLength: Int) -> Int { max(1, 16384 / max(1, rowLength * tapsPerElement)) }
    let kernels = instructionSet.kernels.pointee.resampling.pointee
    if !isDouble, inner < max(8, kernels.lane_count),
      let map = LaneMap(axis, inner: inner, laneCount: kernels.lane_count)
    {
      rowCount = outer
      self.grain = grain(axis.outputExtent * inner)
      body = ResamplingStep.rowBody(map, axis, inner) { kernels.map_rows($0, $1, $2, $3) }
    } else {
      rowCount = outer * axis.outputExtent
      self.grain = grain(inner)
      body =
        isDouble
        ? ResamplingStep.axisBody(pass, inner, Double.self, graft_resampling_axis_double)
        : ResamplingStep.axisBody(pass, inner, Float.self) {
          kernels.map_axis($0, $1, $2, $3, $4, $5)
        }
    }
  }

  func phase(from source: ResamplingPlace, to target: ResamplingPlace) -> PreparedKernel.Phase {
    .parallel(count: rowCount, grain: grain) { [body] arguments, rows in
      guard let from = source.source(arguments), let to = target.target(arguments) else { return }
      body(from, to, rows)
    }
  }

  /// Computes the rows `rows` of the result from tensors that start at `from` and `to`.
  func run(_ rows: Range<Int>, from: UnsafeRawPointer, to: UnsafeMutableRawPointer) {
    body(from, to, rows)
  }

  private typealias RowKernel =
    @Sendable (
      UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<graft_lane_map>?, Int
    ) -> Void

  private typealias AxisKernel<Element> =
    @Sendable (
      UnsafeMutablePointer<Element>?, UnsafePointer<Element>?,
      UnsafePointer<graft_resampling_axis>?, Int, Int, Int
    ) -> Void

  private static func rowBody(
    _ map: LaneMap, _ axis: AxisWeights, _ inner: Int,
    _ kernel: @escaping RowKernel
  ) -> Body {
    let inputLength = axis.inputExtent * inner
    let outputLength = axis.outputExtent * inner
    return { from, to, rows in
      map.withUnsafeMap { map in
        kernel(
          to.assumingMemoryBound(to: Float.self) + rows.lowerBound * outputLength,
          from.assumingMemoryBound(to: Float.self) + rows.lowerBound * inputLength, map, rows.count)
      }
    }
  }

  private static func axisBody<Element: BinaryFloatingPoint & Sendable>(
    _ pass: SeparableResampling.Pass, _ inner: Int, _: Element.Type,
    _ kernel: @escaping AxisKernel<Element>
  ) -> Body {
    let axis = pass.weights
    let weights = axis.weights.map { Element($0) }
    let isFilled = Set(pass.filled)
    let fill = Element(pass.fill)
    return { from, to, rows in
      let result = to.assumingMemoryBound(to: Element.self)
      axis.starts.withUnsafeBufferPointer { starts in
        axis.indices.withUnsafeBufferPointer { indices in
          weights.withUnsafeBufferPointer { weights in
            var map = graft_resampling_axis(
              input_extent: axis.inputExtent, output_extent: axis.outputExtent,
              starts: starts.baseAddress, indices: indices.baseAddress,
              weights: weights.baseAddress)
            kernel(
              result, from.assumingMemoryBound(to: Element.self), &map, inner, rows.lowerBound,
              rows.count)
          }
        }
      }
      guard !isFilled.isEmpty else { return }
      for row in rows where isFilled.contains(row % axis.outputExtent) {
        (result + row * inner).update(repeating: fill, count: inner)
      }
    }
  }
}
