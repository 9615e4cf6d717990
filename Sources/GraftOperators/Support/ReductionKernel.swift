import GraftExecution

/// How a run of elements is reduced to one.
protocol Reduction<Element, Accumulator>: Sendable {
  associatedtype Element: Sendable
  associatedtype Accumulator: BitwiseCopyable & Sendable
  /// The initial value, and the result for no elements.
  static var identity: Accumulator { get }
  static func accumulate(_ element: Element, into accumulator: inout Accumulator)
  static func merge(_ other: Accumulator, into accumulator: inout Accumulator)
}

/// Loops that reduce each row to one element, or many rows element by element.
struct ReductionLoops<Element: Sendable, Accumulator: BitwiseCopyable & Sendable>: Sendable {
  /// Reduces rows of `count` contiguous elements, which start `stride` apart, to one result each.
  typealias Reduce =
    @Sendable (
      _ results: UnsafeMutablePointer<Accumulator>, _ elements: UnsafePointer<Element>,
      _ rowCount: Int, _ stride: Int, _ count: Int
    ) -> Void

  let identity: Accumulator
  let reduce: Reduce
  /// Adds the elements of a run to as many accumulators.
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
    // Four alternating accumulators avoid waiting for the previous operation.
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

  /// Loops in Swift for `Operation`.
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
  /// The division of the work, and with it the order of operations, depends only on the shape.
  /// - Parameter finish: computes an element from an accumulator and the number of its elements
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
  /// Computes elements from as many accumulators, each of `reducedCount` elements.
  let finish:
    @Sendable (
      _ accumulators: UnsafePointer<Accumulator>, _ results: UnsafeMutablePointer<Element>,
      _ outputCount: Int, _ reducedCount: Int
    ) -> Void

  /// The accumulators of a task.
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

  /// Reduces parts in a first phase, and merges them in order in a second.
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

  /// A function that reduces the elements `part` of the outputs `outputs`, and passes on the
  /// accumulators in blocks.
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
