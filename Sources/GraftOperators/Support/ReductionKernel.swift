import GraftExecution

/// How a run of elements becomes one.
protocol Reduction<Element, Accumulator>: Sendable {
  associatedtype Element: Sendable
  associatedtype Accumulator: BitwiseCopyable & Sendable
  /// What a reduction of nothing starts and ends with.
  static var identity: Accumulator { get }
  static func accumulate(_ element: Element, into accumulator: inout Accumulator)
  static func merge(_ other: Accumulator, into accumulator: inout Accumulator)
}

/// Loops that reduce rows, or reduce many rows into one element by element.
struct ReductionLoops<Element: Sendable, Accumulator: BitwiseCopyable & Sendable>: Sendable {
  /// Reduces rows of `count` contiguous elements, which begin `stride` apart, to as many results.
  typealias Reduce =
    @Sendable (
      _ results: UnsafeMutablePointer<Accumulator>, _ elements: UnsafePointer<Element>,
      _ rowCount: Int, _ stride: Int, _ count: Int
    ) -> Void

  let identity: Accumulator
  let reduce: Reduce
  /// Takes the elements of a run into as many accumulators.
  let accumulate:
    @Sendable (
      _ accumulators: UnsafeMutablePointer<Accumulator>, _ elements: UnsafePointer<Element>,
      _ count: Int
    ) -> Void
  let merge: @Sendable (_ other: Accumulator, _ accumulator: inout Accumulator) -> Void

  init<Operation: Reduction<Element, Accumulator>>(_: Operation.Type) {
    self.init(
      Operation.self,
      reduce: { results, elements, rowCount, stride, count in
        for row in 0..<rowCount {
          results[row] = ReductionLoops.reduced(
            elements + row * stride, count, by: Operation.self)
        }
      },
      accumulate: { accumulators, elements, count in
        for index in 0..<count { Operation.accumulate(elements[index], into: &accumulators[index]) }
      })
  }

  @inline(__always)
  private static func reduced<Operation: Reduction<Element, Accumulator>>(
    _ elements: UnsafePointer<Element>, _ count: Int, by _: Operation.Type
  ) -> Accumulator {
    // Four accumulators in turn, so that an operation need not wait for the one before.
    var first = Operation.identity
    var second = first
    var third = first
    var fourth = first
    var index = 0
    while index + 4 <= count {
      Operation.accumulate(elements[index], into: &first)
      Operation.accumulate(elements[index + 1], into: &second)
      Operation.accumulate(elements[index + 2], into: &third)
      Operation.accumulate(elements[index + 3], into: &fourth)
      index += 4
    }
    while index < count {
      Operation.accumulate(elements[index], into: &first)
      index += 1
    }
    Operation.merge(second, into: &first)
    Operation.merge(fourth, into: &third)
    Operation.merge(third, into: &first)
    return first
  }

  /// Loops written by hand for what `Operation` says.
  init<Operation: Reduction<Element, Accumulator>>(
    _: Operation.Type,
    reduce: @escaping Reduce,
    accumulate:
      @escaping @Sendable (
        UnsafeMutablePointer<Accumulator>, UnsafePointer<Element>, Int
      ) -> Void
  ) {
    identity = Operation.identity
    self.reduce = reduce
    self.accumulate = accumulate
    merge = { Operation.merge($0, into: &$1) }
  }
}

extension PrepareContext {
  /// A kernel that reduces input 0 over `axes` (ascending, each once) to output 0.
  ///
  /// How the work is cut, and with it the order of all operations, follows from the shape alone.
  /// - Parameter finish: makes an element of an accumulator and the number of elements behind it
  @inline(__always)
  func reductionKernel<Element, Accumulator>(
    axes: [Int], _ loops: ReductionLoops<Element, Accumulator>,
    finish: @escaping @Sendable (Accumulator, Int) -> Element
  ) throws -> PreparedKernel {
    let shape = try input(0).shape
    return ReductionKernel(
      plan: ReductionPlan(shape: shape, axes: axes), loops: loops,
      finish: { accumulators, results, outputCount, reducedCount in
        for index in 0..<outputCount {
          results[index] = finish(accumulators[index], reducedCount)
        }
      }
    ).kernel()
  }
}

private struct ReductionKernel<Element: Sendable, Accumulator: BitwiseCopyable & Sendable> {
  let plan: ReductionPlan
  let loops: ReductionLoops<Element, Accumulator>
  /// Makes elements of as many accumulators, each of which has `reducedCount` elements behind it.
  let finish:
    @Sendable (
      _ accumulators: UnsafePointer<Accumulator>, _ results: UnsafeMutablePointer<Element>,
      _ outputCount: Int, _ reducedCount: Int
    ) -> Void

  /// Accumulators that a task keeps at hand.
  private static var blockCount: Int { 1024 }

  func kernel() -> PreparedKernel {
    guard plan.outputCount > 0 else { return .tasks(0) { _, _ in } }
    return plan.partCount == 1 ? undivided() : divided()
  }

  private func undivided() -> PreparedKernel {
    let plan = plan
    let finish = finish
    let body = accumulation()
    return .tasks(
      plan.taskCount, workerScratchByteCount: Self.blockCount * MemoryLayout<Accumulator>.stride
    ) { arguments, task in
      guard let scratch = arguments.workerScratch else { return }
      let results = arguments.output(0, as: Element.self)
      body(
        arguments.input(0, as: Element.self), plan.outputs(ofTask: task), 0..<plan.reducedCount,
        scratch.bindMemory(to: Accumulator.self, capacity: Self.blockCount)
      ) { accumulators, position, count in
        finish(accumulators, results + position, count, plan.reducedCount)
      }
    }
  }

  /// Reduces parts in a first phase, and merges them in their order in a second.
  private func divided() -> PreparedKernel {
    let plan = plan
    let finish = finish
    let merge = loops.merge
    let body = accumulation()
    let partialCount = plan.partCount * plan.outputCount
    let parts = PreparedKernel.Phase(taskCount: plan.partCount * plan.taskCount) {
      arguments, task in
      guard let blocks = arguments.workerScratch, let scratch = arguments.scratch else { return }
      let (part, task) = task.quotientAndRemainder(dividingBy: plan.taskCount)
      let partials =
        scratch.assumingMemoryBound(to: Accumulator.self) + part * plan.outputCount
      body(
        arguments.input(0, as: Element.self), plan.outputs(ofTask: task),
        plan.elements(ofPart: part),
        blocks.bindMemory(to: Accumulator.self, capacity: Self.blockCount)
      ) { accumulators, position, count in
        (partials + position).update(from: accumulators, count: count)
      }
    }
    let merging = PreparedKernel.Phase.parallel(count: plan.outputCount, grain: 1024) {
      arguments, range in
      guard let scratch = arguments.scratch else { return }
      let partials = scratch.assumingMemoryBound(to: Accumulator.self)
      let results = arguments.output(0, as: Element.self)
      for index in range {
        var accumulator = partials[index]
        for part in 1..<plan.partCount {
          merge(partials[part * plan.outputCount + index], &accumulator)
        }
        finish(&accumulator, results + index, 1, plan.reducedCount)
      }
    }
    return PreparedKernel(
      phases: [parts, merging],
      scratchByteCount: partialCount * MemoryLayout<Accumulator>.stride,
      workerScratchByteCount: Self.blockCount * MemoryLayout<Accumulator>.stride)
  }

  private typealias Sink = (
    _ accumulators: UnsafePointer<Accumulator>, _ position: Int, _ count: Int
  ) -> Void

  /// A function that reduces the elements `part` of the outputs `outputs`, and hands the
  /// accumulators on in blocks.
  private func accumulation()
    -> @Sendable (
      _ elements: UnsafePointer<Element>, _ outputs: Range<Int>, _ part: Range<Int>,
      _ block: UnsafeMutablePointer<Accumulator>, _ sink: Sink
    ) -> Void
  {
    let plan = plan
    let loops = loops
    if plan.kept.innerCount > 1 {
      return { elements, outputs, part, block, sink in
        plan.kept.forEachRow(in: outputs) { offsets, position, count in
          var start = 0
          while start < count {
            let width = min(Self.blockCount, count - start)
            let columns = elements + offsets[0] + start
            block.update(repeating: loops.identity, count: width)
            plan.reduced.forEachRow(in: part) { offsets, _, length in
              for row in 0..<length {
                loops.accumulate(block, columns + offsets[0] + row, width)
              }
            }
            sink(block, position + start, width)
            start += width
          }
        }
      }
    }
    if plan.reduced.outerExtents.isEmpty {
      return { elements, outputs, part, block, sink in
        plan.forEachRun(in: outputs, limit: Self.blockCount) { offset, stride, position, count in
          loops.reduce(
            block, elements + offset + part.lowerBound, count, stride, part.count)
          sink(block, position, count)
        }
      }
    }
    return { elements, outputs, part, block, sink in
      plan.kept.forEachRow(in: outputs) { offsets, position, _ in
        let first = elements + offsets[0]
        var accumulator = loops.identity
        plan.reduced.forEachRow(in: part) { offsets, _, length in
          loops.reduce(block, first + offsets[0], 1, 0, length)
          loops.merge(block.pointee, &accumulator)
        }
        block.pointee = accumulator
        sink(block, position, 1)
      }
    }
  }
}
