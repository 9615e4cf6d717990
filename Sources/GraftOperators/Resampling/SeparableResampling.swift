import GraftExecution
import GraftTensor

/// A kernel that maps input 0 to output 0 axis by axis.
///
/// float and double are computed in their own type, float16 and bfloat16 in float, and integers in
/// double, rounded to nearest (ties to even) and clamped at the end.
struct SeparableResampling {
  struct Pass {
    let axis: Int
    let weights: AxisWeights
    /// Result indices that are `fill` instead.
    var filled: [Int] = []
    var fill = 0.0
  }

  let elementType: ElementType
  let inputShape: Shape
  let passes: [Pass]
  let instructionSet: InstructionSet

  private var computeType: ElementType {
    switch elementType {
    case .float, .float16, .bfloat16: .float
    default: .double
    }
  }

  func kernel() throws -> PreparedKernel {
    let type = elementType
    let computeType = computeType
    // The axis that shrinks most goes first, to reduce the work for the others.
    let ordered = passes.enumerated().sorted { first, second in
      let (a, b) = (first.element.weights.growth, second.element.weights.growth)
      return a == b ? first.offset > second.offset : a < b
    }.map(\.element)
    var phases: [PreparedKernel.Phase] = []
    var scratchByteCount = 0
    var shape = inputShape
    func newScratch(_ shape: Shape) -> ResamplingPlace {
      defer { scratchByteCount += (shape.elementCount * computeType.byteWidth + 63) & ~63 }
      return .scratch(scratchByteCount)
    }

    var place = ResamplingPlace.input
    if type != computeType || passes.isEmpty {
      let target =
        passes.isEmpty && type == computeType ? ResamplingPlace.output : newScratch(shape)
      phases.append(conversion(from: place, type, to: target, computeType, shape.elementCount))
      place = target
    }
    let steps = ordered.map { pass in
      let outer = shape[..<pass.axis].reduce(1, *)
      let inner = shape[(pass.axis + 1)...].reduce(1, *)
      shape[pass.axis] = pass.weights.outputExtent
      return ResamplingStep(
        pass, outer: outer, inner: inner, isDouble: computeType == .double, instructionSet)
    }
    let slabCount = inputShape[..<(passes.map(\.axis).min() ?? 0)].reduce(1, *)
    let target = type == computeType ? ResamplingPlace.output : newScratch(shape)
    var workerScratchByteCount = 0
    if let slabs = ResamplingSlabs(steps, slabCount: slabCount, computeType.byteWidth) {
      workerScratchByteCount = slabs.scratchByteCount
      phases.append(slabs.phase(from: place, to: target))
      place = target
    } else {
      for (number, step) in steps.enumerated() {
        let next = number == steps.count - 1 ? target : newScratch([step.resultCount])
        phases.append(step.phase(from: place, to: next))
        place = next
      }
    }
    if type != computeType {
      phases.append(conversion(from: place, computeType, to: .output, type, shape.elementCount))
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: scratchByteCount,
      workerScratchByteCount: workerScratchByteCount)
  }

  /// Also rounds and clamps values that become integers, in place before the conversion.
  private func conversion(
    from source: ResamplingPlace, _ sourceType: ElementType, to target: ResamplingPlace,
    _ targetType: ElementType,
    _ count: Int
  ) -> PreparedKernel.Phase {
    .parallel(count: count, grain: 8192) { arguments, range in
      guard let from = source.source(arguments), let to = target.target(arguments) else { return }
      if let limits = targetType.realRange, let reals = source.target(arguments) {
        let reals = reals.assumingMemoryBound(to: Double.self)
        for index in range {
          reals[index] = reals[index].rounded(.toNearestOrEven).limited(to: limits)
        }
      }
      try ElementConversion.convert(
        from + range.lowerBound * sourceType.byteWidth, sourceType,
        to: to + range.lowerBound * targetType.byteWidth, targetType, count: range.count)
    }
  }
}
