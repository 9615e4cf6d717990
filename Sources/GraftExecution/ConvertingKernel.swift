import GraftTensor

extension PrepareContext {
  /// A kernel for element types that `prepare` does not support: it converts inputs of the types in
  /// `narrow` to `wide`, runs the kernel for those, and converts the outputs back.
  ///
  /// Constants are converted once, at plan time. The result is computed in `wide` and rounded once
  /// at the end, like the NumPy expectations for float16.
  package func converting(
    _ narrow: Set<ElementType>, to wide: ElementType,
    _ prepare: (PrepareContext) throws -> PreparedKernel
  ) throws -> PreparedKernel {
    var context = self
    var wideConstants: [Int: Tensor] = [:]
    for (index, input) in inputs.enumerated() {
      guard let input, narrow.contains(input.elementType) else { continue }
      context.inputs[index]!.elementType = wide
      if let constant = input.constant {
        let converted = try packedConstants.packed(
          constant, format: "as-\(wide)", elementType: wide, shape: constant.shape
        ) {
          let converted = try Tensor(zeros: wide, shape: constant.shape)
          try ElementConversion.convert(
            constant.baseAddress, constant.elementType, to: converted.baseAddress, wide,
            count: constant.elementCount)
          return converted
        }
        wideConstants[index] = converted
        context.inputs[index]!.constant = converted
      }
    }
    for (index, output) in outputs.enumerated() {
      if let output, narrow.contains(output.elementType) {
        context.outputs[index]!.elementType = wide
      }
    }
    let inner = try prepare(context)
    guard case .phases(let innerPhases) = inner.form else { return inner }
    return try ConvertingKernel(
      context: self, wide: wide, wideInputs: context.inputs, wideOutputs: context.outputs,
      wideConstants: wideConstants, inner: inner, innerPhases: innerPhases
    ).kernel()
  }
}

/// The scratch memory consists of the inner scratch, the converted inputs and outputs, and the
/// pointers to them.
private struct ConvertingKernel {
  let context: PrepareContext
  let wide: ElementType
  let wideInputs: [PrepareContext.Description?]
  let wideOutputs: [PrepareContext.Description?]
  let wideConstants: [Int: Tensor]
  let inner: PreparedKernel
  let innerPhases: [PreparedKernel.Phase]

  struct Slot {
    let index: Int
    let narrowType: ElementType
    let elementCount: Int
    let offset: Int
  }

  func kernel() throws -> PreparedKernel {
    let wide = wide
    func aligned(_ count: Int) -> Int { (count + 63) & ~63 }
    var size = aligned(inner.scratchByteCount)
    func slots(
      _ narrow: [PrepareContext.Description?], _ wideForm: [PrepareContext.Description?],
      skipping: (Int) -> Bool
    ) -> [Slot] {
      var slots: [Slot] = []
      for index in narrow.indices {
        guard let from = narrow[index], let to = wideForm[index],
          from.elementType != to.elementType, !skipping(index)
        else { continue }
        slots.append(
          Slot(
            index: index, narrowType: from.elementType, elementCount: from.elementCount,
            offset: size))
        size += aligned(from.elementCount * wide.byteWidth)
      }
      return slots
    }
    let inputSlots = slots(context.inputs, wideInputs) { wideConstants[$0] != nil }
    let outputSlots = slots(context.outputs, wideOutputs) { _ in false }
    let tableOffset = size
    let inputCount = context.inputs.count
    let outputCount = context.outputs.count
    size += aligned((inputCount + outputCount) * MemoryLayout<UnsafeMutableRawPointer?>.stride)

    let constants = wideConstants
    /// The arguments of the inner kernel, from the table that the first phase filled.
    @Sendable func innerArguments(_ arguments: KernelArguments) -> KernelArguments {
      let table = (arguments.scratch! + tableOffset)
        .assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
      var result = KernelArguments(
        inputs: UnsafeBufferPointer(start: table, count: inputCount),
        outputs: UnsafeBufferPointer(start: table + inputCount, count: outputCount),
        scratch: arguments.scratch, workerScratchBase: arguments.workerScratchBase,
        workerScratchStride: arguments.workerScratchStride)
      result.worker = arguments.worker
      result.trip = arguments.trip
      return result
    }

    var phases = [
      PreparedKernel.Phase(taskCount: 1) { arguments, _ in
        let table = (arguments.scratch! + tableOffset)
          .bindMemory(to: UnsafeMutableRawPointer?.self, capacity: inputCount + outputCount)
        for index in 0..<inputCount { table[index] = arguments.inputs[index] }
        for index in 0..<outputCount { table[inputCount + index] = arguments.outputs[index] }
        for (index, constant) in constants { table[index] = constant.baseAddress }
        for slot in inputSlots { table[slot.index] = arguments.scratch! + slot.offset }
        for slot in outputSlots {
          table[inputCount + slot.index] = arguments.scratch! + slot.offset
        }
      }
    ]
    for slot in inputSlots {
      phases.append(
        .parallel(count: slot.elementCount, grain: 8192) { arguments, range in
          try ElementConversion.convert(
            arguments.input(slot.index) + range.lowerBound * slot.narrowType.byteWidth,
            slot.narrowType,
            to: arguments.scratch! + slot.offset + range.lowerBound * wide.byteWidth, wide,
            count: range.count)
        })
    }
    for phase in innerPhases {
      phases.append(
        PreparedKernel.Phase(taskCount: phase.taskCount) { arguments, task in
          try phase.body(innerArguments(arguments), task)
        })
    }
    for slot in outputSlots {
      phases.append(
        .parallel(count: slot.elementCount, grain: 8192) { arguments, range in
          guard arguments.hasOutput(slot.index) else { return }
          try ElementConversion.convert(
            arguments.scratch! + slot.offset + range.lowerBound * wide.byteWidth, wide,
            to: arguments.output(slot.index) + range.lowerBound * slot.narrowType.byteWidth,
            slot.narrowType, count: range.count)
        })
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: size,
      workerScratchByteCount: inner.workerScratchByteCount)
  }
}
