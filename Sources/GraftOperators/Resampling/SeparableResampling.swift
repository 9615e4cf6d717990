import CGraftKernels

/// A kernel that maps input 0 to output 0 axis by axis.
///
/// float and double are computed in their own type, float16 and bfloat16 in float, integers in
/// double, rounded to the nearest (ties to even) and clamped at the end.
struct SeparableResampling {
  struct Pass {
    let axis: Int
    let weights: AxisWeights
    /// Indices of the result that are `fill` instead.
    var filled: [Int] = []
  }

  let elementType: ElementType
  let inputShape: Shape
  let passes: [Pass]
  var fill = 0.0

  private enum Place {
    case input
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

  private var computeType: ElementType {
    switch elementType {
    case .float, .float16, .bfloat16: .float
    default: .double
    }
  }

  func kernel() throws -> PreparedKernel {
    let type = elementType
    let computeType = computeType
    // What shrinks most goes first, so that the others have less to do.
    let ordered = passes.enumerated().sorted { first, second in
      let (a, b) = (first.element.weights.growth, second.element.weights.growth)
      return a == b ? first.offset > second.offset : a < b
    }.map(\.element)
    var phases: [PreparedKernel.Phase] = []
    var scratchByteCount = 0
    var shape = inputShape
    func newScratch() -> Place {
      defer { scratchByteCount += (shape.elementCount * computeType.byteWidth + 63) & ~63 }
      return .scratch(scratchByteCount)
    }

    var place = Place.input
    if type != computeType || passes.isEmpty {
      let target = passes.isEmpty && type == computeType ? Place.output : newScratch()
      phases.append(conversion(from: place, type, to: target, computeType, shape.elementCount))
      place = target
    }
    for (number, pass) in ordered.enumerated() {
      shape[pass.axis] = pass.weights.outputExtent
      let isLast = number == ordered.count - 1 && type == computeType
      let target = isLast ? Place.output : newScratch()
      let inner = shape[(pass.axis + 1)...].reduce(1, *)
      let outer = shape[..<pass.axis].reduce(1, *)
      phases.append(
        computeType == .float
          ? resampling(
            pass, outer, inner, from: place, to: target, Float.self, graft_resampling_axis_float)
          : resampling(
            pass, outer, inner, from: place, to: target, Double.self, graft_resampling_axis_double))
      place = target
    }
    if type != computeType {
      phases.append(conversion(from: place, computeType, to: .output, type, shape.elementCount))
    }
    return PreparedKernel(phases: phases, scratchByteCount: scratchByteCount)
  }

  /// Also rounds, in place before the conversion, what becomes an integer.
  private func conversion(
    from source: Place, _ sourceType: ElementType, to target: Place, _ targetType: ElementType,
    _ count: Int
  ) -> PreparedKernel.Phase {
    .parallel(count: count, grain: 8192) { arguments, range in
      guard let from = source.source(arguments), let to = target.target(arguments) else { return }
      if targetType.isInteger, let reals = source.target(arguments) {
        let reals = reals.assumingMemoryBound(to: Double.self)
        for index in range { reals[index] = reals[index].rounded(.toNearestOrEven) }
      }
      try ElementConversion.convert(
        from + range.lowerBound * sourceType.byteWidth, sourceType,
        to: to + range.lowerBound * targetType.byteWidth, targetType, count: range.count)
    }
  }

  private typealias AxisKernel<Element> =
    @Sendable (
      UnsafeMutablePointer<Element>?, UnsafePointer<Element>?,
      UnsafePointer<graft_resampling_axis>?, Int, Int, Int
    ) -> Void

  private func resampling<Element: BinaryFloatingPoint & Sendable>(
    _ pass: Pass, _ outer: Int, _ inner: Int, from source: Place, to target: Place,
    _: Element.Type, _ kernel: @escaping AxisKernel<Element>
  ) -> PreparedKernel.Phase {
    let axis = pass.weights
    let weights = axis.weights.map { Element($0) }
    let isFilled = Set(pass.filled)
    let fill = Element(fill)
    let outputExtent = axis.outputExtent
    let tapsPerRow = max(1, axis.indices.count / max(1, outputExtent))
    return .parallel(
      count: outer * outputExtent, grain: max(1, 16384 / max(1, inner * tapsPerRow))
    ) { arguments, rows in
      guard let from = source.source(arguments), let to = target.target(arguments) else { return }
      let result = to.assumingMemoryBound(to: Element.self)
      axis.starts.withUnsafeBufferPointer { starts in
        axis.indices.withUnsafeBufferPointer { indices in
          weights.withUnsafeBufferPointer { weights in
            var map = graft_resampling_axis(
              input_extent: axis.inputExtent, output_extent: outputExtent,
              starts: starts.baseAddress, indices: indices.baseAddress,
              weights: weights.baseAddress)
            kernel(
              result, from.assumingMemoryBound(to: Element.self), &map, inner, rows.lowerBound,
              rows.count)
          }
        }
      }
      guard !isFilled.isEmpty else { return }
      for row in rows where isFilled.contains(row % outputExtent) {
        (result + row * inner).update(repeating: fill, count: inner)
      }
    }
  }
}
