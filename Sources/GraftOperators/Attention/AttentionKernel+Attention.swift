import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of ``Attention``: heads in groups, the past before the new keys and values.
extension AttentionKernel {
  init(_ attention: Attention, _ context: PrepareContext) throws {
    self.attention = attention
    instructionSet = context.instructionSet
    table = try Self.table(context)
    let queryShape = try context.input(0).shape
    let keyShape = try context.input(1).shape
    let valueShape = try context.input(2).shape
    let isPacked = queryShape.count == 3
    let batch = queryShape[0]
    let heads = isPacked ? attention.queryHeads ?? 1 : queryShape[1]
    let keyHeads = isPacked ? attention.keyHeads ?? 1 : keyShape[1]
    let sharing = heads / keyHeads
    let newCount = isPacked ? keyShape[1] : keyShape[2]
    extents = [batch, keyHeads, sharing]
    headCount = heads
    length = isPacked ? queryShape[1] : queryShape[2]
    size = isPacked ? queryShape[2] / heads : queryShape[3]
    valueSize = isPacked ? valueShape[2] / keyHeads : valueShape[3]
    pastCount = context.hasInput(4) ? try context.input(4).shape[2] : 0
    total = pastCount + newCount
    query = AttentionMatrices(
      heads: keyHeads, sharing: sharing, rows: length, size: size, isPacked: isPacked)
    output = AttentionMatrices(
      heads: keyHeads, sharing: sharing, rows: length, size: valueSize, isPacked: isPacked)
    scale = attention.scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    hasPadding = context.hasInput(6)
    writesScores = context.hasOutput(3)
    masks = context.hasInput(3) ? [try Self.mask(context, sharing: sharing)] : []
    specialRows = .zeroesUnseen
    softcap = attention.softcap

    // Keys of one head follow those of the past.
    if pastCount > 0, batch * keyHeads == 1 { extendedInputs = [1: 4, 2: 5] }
    // Keys and values with those of the past are an output, or in the scratch memory.
    var sources: [Source] = []
    for (input, size) in [(1, size), (2, valueSize)] {
      let new = AttentionMatrices(heads: keyHeads, rows: newCount, size: size, isPacked: isPacked)
      guard context.hasOutput(input) || pastCount > 0 else {
        sources.append(Source(place: .input(input), matrices: new.shared))
        continue
      }
      let place: Source.Place
      if context.hasOutput(input) {
        place = .output(input)
      } else {
        place = .scratch(scratchByteCount)
        let byteCount = try Tensor.byteCount(
          Element.elementType, [batch, keyHeads, total, size])
        scratchByteCount += (byteCount + 63) & ~63
      }
      let all = AttentionMatrices(heads: keyHeads, rows: total, size: size, isPacked: false)
      sources.append(Source(place: place, matrices: all.shared))
      copies.append(
        Self.copy(
          place, new, input: input, taskCount: batch * keyHeads, heads: keyHeads,
          pastCount: pastCount, newCount: newCount, size: size))
    }
    (keys, values) = (sources[0], sources[1])
  }

  private static func mask(_ context: PrepareContext, sharing: Int) throws -> Mask {
    let description = try context.input(3)
    let shape = [Int](repeating: 1, count: 4 - description.rank) + description.shape
    let steps = zip(shape, shape.denseStrides).map { $0 == 1 ? 0 : $1 }
    return Mask(
      input: 3, elementType: description.elementType,
      effect: description.elementType == .bool
        ? .hides(where: false, fill: -.infinity) : .adds,
      matrices: AttentionMatrices(
        strides: [steps[0], steps[1] * sharing, steps[1]], rowStride: steps[2],
        columnStride: 1), keyCount: shape[3])
  }

  /// Copies those of the past, and the new ones after them.
  private static func copy(
    _ place: Source.Place, _ new: AttentionMatrices, input: Int, taskCount: Int, heads: Int,
    pastCount: Int, newCount: Int, size: Int
  ) -> PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: taskCount) { arguments, task in
      let (sample, head) = task.quotientAndRemainder(dividingBy: heads)
      let copy =
        switch place {
        case .output(let index): arguments.output(index, as: Element.self)
        case .input(let index), .scratch(let index):
          (arguments.scratch! + index).assumingMemoryBound(to: Element.self)
        }
      var target = copy + task * (pastCount + newCount) * size
      if pastCount > 0 {
        let past = arguments.input(input + 3, as: Element.self) + task * pastCount * size
        // They may be in their place already.
        if past != UnsafePointer(target) { target.update(from: past, count: pastCount * size) }
        target += pastCount * size
      }
      let source =
        arguments.input(input, as: Element.self) + sample * new.strides[0]
        + head * new.strides[1]
      for row in 0..<newCount {
        (target + row * size).update(from: source + row * new.rowStride, count: size)
      }
    }
  }
}
