import GraftExecution
import GraftTensor

extension RowNormalization {
  /// A kernel whose scales (input 1) and shifts (input 2, optional) broadcast to input 0. Returns
  /// the mean and inverse deviation of each row as outputs 1 and 2 if they are used.
  func broadcastKernel<Element: RealElement>(
    _ context: PrepareContext, _ shape: Shape, axis: Int, _: Element.Type
  ) throws -> PreparedKernel {
    let instructionSet = context.instructionSet
    let hasShifts = context.hasInput(2)
    let parameters = hasShifts ? 1...2 : 1...1
    let isShared = try parameters.allSatisfy {
      BroadcastParameters.isShared(try context.input($0).shape, input: shape, axis: axis)
    }
    var phases: [PreparedKernel.Phase] = []
    let expandedByteCount = (shape.elementCount * MemoryLayout<Element>.stride + 63) & ~63
    if !isShared {
      phases = try parameters.map { index in
        BroadcastParameters.expansion(
          index, from: try context.input(index).shape, to: shape,
          offset: (index - 1) * expandedByteCount, Element.self)
      }
    }
    /// Scales or shifts, unchanged or expanded.
    @Sendable func values(
      _ index: Int, _ arguments: KernelArguments
    ) -> UnsafePointer<Element>? {
      if isShared { return arguments.optionalInput(index, as: Element.self) }
      return arguments.scratch.map { scratch in
        UnsafePointer(
          (scratch + (index - 1) * expandedByteCount).assumingMemoryBound(to: Element.self))
      }
    }
    let (hasResult, hasMean, hasDeviation) = (
      context.hasOutput(0), context.hasOutput(1), context.hasOutput(2)
    )
    phases.append(
      .parallel(count: rowCount, grain: grain) { arguments, rows in
        guard let scales = values(1, arguments) else { return }
        let shifts = hasShifts ? values(2, arguments) : nil
        let x = arguments.input(0, as: Element.self)
        let y = hasResult ? arguments.output(0, as: Element.self) : nil
        for row in rows {
          let statistics = statistics(x + row * rowLength, instructionSet)
          if hasMean {
            arguments.output(1, as: Element.self)[row] = statistics.mean
          }
          if hasDeviation {
            arguments.output(2, as: Element.self)[row] = statistics.inverseDeviation
          }
          if let y {
            normalize(
              row, x, y, statistics, scales: scales, shifts: shifts,
              isShared ? .shared : .full, instructionSet)
          }
        }
      })
    return PreparedKernel(
      phases: phases,
      scratchByteCount: isShared ? 0 : parameters.count * expandedByteCount,
      inPlaceInputs: [0])
  }
}
