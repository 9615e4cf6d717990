import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of ``Attention`` and ``FusedAttention``, in floats or doubles.
///
/// A task computes some rows of one head. It takes the keys in blocks, and keeps the largest score
/// and the sum of powers of each row, so that the matrix of scores is never in memory as a whole,
/// unless it is an output.
struct AttentionKernel<Element: RealElement>: Sendable {
  /// Changes scores by an input.
  struct Mask: Sendable {
    enum Effect: Sendable, Equatable {
      case adds
      /// Puts `fill` in the place of scores where the mask is, or is not, true.
      case hides(where: Bool, fill: Float)
    }

    let input: Int
    let elementType: ElementType
    let effect: Effect
    let matrices: AttentionMatrices
    /// The number of keys that it covers; no key after them is seen.
    var keyCount = Int.max
  }

  /// What a mask and softmax leave of a row in which no key is seen, or a score is not a number.
  enum SpecialRows: Sendable {
    /// Zeros where no key is seen; a score that is not a number spreads.
    case zeroesUnseen
    /// As Softmax does: both are no numbers.
    case spreads
    /// Zeros in both cases.
    case zeroesAll
  }

  /// Keys or values.
  struct Source: Sendable {
    enum Place: Sendable {
      case input(Int)
      case output(Int)
      case scratch(Int)
    }

    let place: Place
    let matrices: AttentionMatrices

    func address(_ arguments: KernelArguments) -> UnsafePointer<Element> {
      switch place {
      case .input(let index): arguments.input(index, as: Element.self)
      case .output(let index): UnsafePointer(arguments.output(index, as: Element.self))
      case .scratch(let offset):
        UnsafePointer((arguments.scratch! + offset).assumingMemoryBound(to: Element.self))
      }
    }
  }

  /// Rows of a task.
  private static var largestRowCount: Int { 64 }
  /// Keys of a block.
  private static var largestKeyCount: Int { 512 }

  let instructionSet: InstructionSet
  let table: graft_gemm_table
  /// The extents of the leading axes of the scores.
  let extents: [Int]
  /// Queries, keys, and the elements of each.
  let length: Int
  let total: Int
  let size: Int
  let valueSize: Int
  let scale: Double
  let query: AttentionMatrices
  let keys: Source
  let values: Source
  let output: AttentionMatrices
  let masks: [Mask]
  /// Inputs of one element that multiply or divide scores.
  var scalars: [(input: Int, divides: Bool)] = []
  let specialRows: SpecialRows
  /// The bound of scores before masks: softcap · tanh(score / softcap); none if 0.
  let softcap: Float

  // Of ``Attention`` only.
  var attention: Attention?
  var pastCount = 0
  var headCount = 1
  var hasPadding = false
  var writesScores = false
  /// The inputs that outputs start with.
  var extendedInputs: [Int: Int] = [:]
  var copies: [PreparedKernel.Phase] = []
  var scratchByteCount = 0

  static func table(_ context: PrepareContext) throws -> graft_gemm_table {
    let element = try Element.elementType.requireKernelElement()
    return context.instructionSet.kernels.pointee.gemm[Int(element)].pointee
  }

  func kernel() throws -> PreparedKernel {
    let keyCount = writesScores ? total : min(total, Self.largestKeyCount)
    let rowCount = max(1, min(length, Self.largestRowCount, (1 << 20) / max(1, keyCount)))
    let rowParts = (length + rowCount - 1) / rowCount
    let scratch = try TaskScratch(self, rowCount: rowCount, keyCount: keyCount)
    let task = PreparedKernel.Phase(
      taskCount: valueSize == 0 && !writesScores ? 0 : extents.elementCount * rowParts
    ) { [self] arguments, task in
      let (number, part) = task.quotientAndRemainder(dividingBy: rowParts)
      let rows = evenRange(of: length, part: part, partCount: rowParts)
      try run(arguments, scratch, number: number, rows: rows, keyCount: keyCount)
    }
    return PreparedKernel(
      phases: copies + [task], scratchByteCount: scratchByteCount,
      workerScratchByteCount: scratch.byteCount
    ).overwriting(extendedInputs)
  }

  // MARK: A task

  /// The memory of a task, in a worker's scratch memory.
  private struct TaskScratch: Sendable {
    let scores: Int
    let mask: Int
    let sums: Int
    let part: Int
    let rows: Int
    let product: Int
    let byteCount: Int

    init(_ kernel: AttentionKernel, rowCount: Int, keyCount: Int) throws {
      var end = 0
      func take(_ counts: Int...) throws -> Int {
        let start = end
        let bytes = try Tensor.byteCount(Element.elementType, counts)
        let (sum, overflow) = end.addingReportingOverflow((bytes + 63) & ~63)
        guard !overflow else { throw GraftError(.operatingSystem, "needs too much memory") }
        end = sum
        return start
      }
      scores = try take(rowCount, keyCount)
      mask = try take(keyCount)
      sums = try take(rowCount, kernel.valueSize)
      // Also the partial sums of few rows.
      part = try take(rowCount, kernel.valueSize + 16)
      rows = try take(rowCount, RowState.columnCount)
      product = end
      byteCount =
        end
        + max(
          kernel.table.scratch_byte_count(rowCount, keyCount, kernel.size),
          kernel.table.scratch_byte_count(rowCount, kernel.valueSize, keyCount))
    }
  }

  /// The keys that a row may see, apart from the masks.
  func visible(row: Int, offset: Int, limit: Int) -> Range<Int> {
    guard let attention else { return 0..<limit }
    let position = row + offset
    var end = limit
    if attention.isCausal { end = min(end, position + 1) }
    if let right = attention.window.right, right < total - position - 1 {
      end = min(end, position + right + 1)
    }
    var start = 0
    if let left = attention.window.left, left < position { start = position - left }
    start = min(start, limit)
    return start..<max(start, min(end, limit))
  }

  /// - Parameter number: which of the matrices of scores
  private func run(
    _ arguments: KernelArguments, _ scratch: TaskScratch, number: Int, rows: Range<Int>,
    keyCount: Int
  ) throws {
    guard let memory = arguments.workerScratch else { return }
    func pointer(_ offset: Int) -> UnsafeMutablePointer<Element> {
      (memory + offset).assumingMemoryBound(to: Element.self)
    }
    var limit = total
    var offset = pastCount
    if hasPadding {
      let given = arguments.input(6, as: Int64.self)[number / max(1, headCount)]
      guard given >= 0, given <= total else {
        throw GraftError.badData("nonpad_kv_seqlen has \(given); expected 0 to \(total)")
      }
      limit = Int(given)
      offset = limit - length
    }
    let first = visible(row: rows.lowerBound, offset: offset, limit: limit)
    let last = visible(row: rows.upperBound - 1, offset: offset, limit: limit)
    // All scores are an output; otherwise only the keys that some row sees count.
    let range = writesScores ? 0..<total : first.lowerBound..<max(first.lowerBound, last.upperBound)
    let result =
      arguments.output(0, as: Element.self) + output.offset(number, extents)
      + rows.lowerBound * output.rowStride
    let key = keys.address(arguments) + keys.matrices.offset(number, extents)
    let value = values.address(arguments) + values.matrices.offset(number, extents)
    let question =
      arguments.input(0, as: Element.self) + query.offset(number, extents)
      + rows.lowerBound * query.rowStride
    let scores = pointer(scratch.scores)
    let product = memory + scratch.product
    let state = RowState(pointer(scratch.rows), count: rows.count)
    let isWhole = range.count <= keyCount
    let scale = scale(arguments)
    let (sum, part) = (pointer(scratch.sums), pointer(scratch.part))
    if !isWhole { sum.update(repeating: 0, count: rows.count * valueSize) }

    for start in stride(from: range.lowerBound, to: range.upperBound, by: max(1, keyCount)) {
      let block = start..<min(start + keyCount, range.upperBound)
      var products = graft_gemm_problem()
      products.rows = rows.count
      products.columns = block.count
      products.depth = size
      products.a = UnsafeRawPointer(question)
      products.a_row_stride = query.rowStride
      products.a_depth_stride = query.columnStride
      products.b = UnsafeRawPointer(key + start * keys.matrices.rowStride)
      products.b_depth_stride = keys.matrices.columnStride
      products.b_column_stride = keys.matrices.rowStride
      products.c = UnsafeMutableRawPointer(scores)
      products.c_row_stride = block.count
      products.alpha = scale
      products.activation = FusedActivation.identity.parameters
      multiply(&products, product, partial: nil)
      try change(
        scores, block, arguments, pointer(scratch.mask), number, rows, sees: state.sees,
        offset: offset, limit: limit)
      weigh(scores, block, state, isWhole: isWhole)
      if writesScores, attention?.scoreOutput == .probabilities {
        writeScores(scores, arguments, number, rows)
      }
      var weighted = graft_gemm_problem()
      weighted.rows = rows.count
      weighted.columns = valueSize
      weighted.depth = block.count
      weighted.a = UnsafeRawPointer(scores)
      weighted.a_row_stride = block.count
      weighted.a_depth_stride = 1
      weighted.b = UnsafeRawPointer(value + start * values.matrices.rowStride)
      weighted.b_depth_stride = values.matrices.rowStride
      weighted.b_column_stride = values.matrices.columnStride
      weighted.alpha = 1
      weighted.activation = FusedActivation.identity.parameters
      weighted.c = UnsafeMutableRawPointer(isWhole ? result : part)
      weighted.c_row_stride = isWhole ? output.rowStride : valueSize
      multiply(&weighted, product, partial: part)
      if !isWhole { add(part, to: sum, state) }
    }
    if range.isEmpty {
      for index in 0..<rows.count {
        (result + index * output.rowStride).update(repeating: 0, count: valueSize)
      }
    } else if !isWhole {
      divide(sum, by: state, to: result)
    }
  }

  // MARK: Steps of a block

  /// What is kept of each row between blocks of keys.
  private struct RowState {
    static var columnCount: Int { 7 }

    let count: Int
    /// The largest score so far, and the sum of the powers of all.
    let largest: UnsafeMutablePointer<Element>
    let sums: UnsafeMutablePointer<Element>
    /// 0 where a mask forbids all keys of the block.
    let sees: UnsafeMutablePointer<Element>
    /// What earlier blocks count for, and this one.
    let kept: UnsafeMutablePointer<Element>
    let weights: UnsafeMutablePointer<Element>
    /// The largest score of the block and its place; -1 if the block has no weights.
    let peaks: UnsafeMutablePointer<Element>
    let places: UnsafeMutablePointer<Element>

    init(_ memory: UnsafeMutablePointer<Element>, count: Int) {
      self.count = count
      func column(_ index: Int) -> UnsafeMutablePointer<Element> { memory + index * count }
      (largest, sums, sees, kept) = (column(0), column(1), column(2), column(3))
      (weights, peaks, places) = (column(4), column(5), column(6))
      largest.update(repeating: -.infinity, count: count)
      sums.update(repeating: 0, count: count)
      sees.update(repeating: 1, count: count)
    }
  }

  /// The factor of products, with those that are inputs.
  private func scale(_ arguments: KernelArguments) -> Double {
    scalars.reduce(scale) { scale, scalar in
      let factor = Double(arguments.input(scalar.input, as: Element.self)[0])
      return scalar.divides ? scale / factor : scale * factor
    }
  }

  /// Puts weights in the place of the scores of a block.
  private func weigh(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, _ state: RowState, isWhole: Bool
  ) {
    let tracks = !isWhole || specialRows == .zeroesUnseen
    for index in 0..<state.count {
      let row = scores + index * block.count
      state.kept[index] = 0
      state.places[index] = 0
      guard tracks else { continue }
      if state.sees[index] != 0,
        let place = largestScore(row, count: block.count, exact: !isWhole)
      {
        state.places[index] = Element(place)
        state.peaks[index] = row[place]
      } else {
        // No weights: the row counts as zeros below.
        state.places[index] = -1
      }
    }
    Element.softmaxRows(
      scores, scores, rowCount: state.count, length: block.count, isLogarithm: false,
      instructionSet)
    for index in 0..<state.count {
      let row = scores + index * block.count
      // A softmax with NaN is NaN everywhere.
      guard state.places[index] >= 0,
        !(isWhole && specialRows == .zeroesAll && row[0].isNaN)
      else {
        row.update(repeating: 0, count: block.count)
        continue
      }
      guard !isWhole else { continue }
      // The sum of powers follows from the weight of the largest score.
      let (before, peak) = (state.largest[index], max(state.largest[index], state.peaks[index]))
      let weight =
        Element.exponential(state.peaks[index] - peak) / row[Int(state.places[index])]
      let kept = before == -.infinity ? 0 : Element.exponential(before - peak)
      state.largest[index] = peak
      state.sums[index] = state.sums[index] * kept + weight
      state.weights[index] = weight
      state.kept[index] = kept
    }
  }

  /// Adds the weighted values of a block to those of earlier ones.
  private func add(
    _ part: UnsafeMutablePointer<Element>, to sum: UnsafeMutablePointer<Element>, _ state: RowState
  ) {
    for index in 0..<state.count where state.places[index] >= 0 {
      let (target, added) = (sum + index * valueSize, part + index * valueSize)
      let (kept, weight) = (state.kept[index], state.weights[index])
      for i in 0..<valueSize { target[i] = target[i] * kept + weight * added[i] }
    }
  }

  /// Divides weighted values by the sums of powers.
  private func divide(
    _ sum: UnsafeMutablePointer<Element>, by state: RowState,
    to result: UnsafeMutablePointer<Element>
  ) {
    for index in 0..<state.count {
      let (source, target) = (sum + index * valueSize, result + index * output.rowStride)
      let total = state.sums[index]
      if total == 0 || total.isNaN && specialRows == .zeroesAll {
        target.update(repeating: specialRows == .spreads ? .nan : 0, count: valueSize)
      } else {
        for i in 0..<valueSize { target[i] = source[i] / total }
      }
    }
  }

  /// Products of few rows read their right matrix in place; all others pack both sides.
  private func multiply(
    _ problem: inout graft_gemm_problem, _ scratch: UnsafeMutableRawPointer,
    partial: UnsafeMutablePointer<Element>?
  ) {
    guard problem.rows > 0, problem.columns > 0 else { return }
    let isFew = problem.rows <= GRAFT_GEMV_MAXIMUM_ROWS
    if isFew, problem.a_depth_stride == 1, problem.b_depth_stride == 1 {
      table.dot_columns(&problem, 0, problem.columns)
    } else if isFew, let partial, problem.b_column_stride == 1 {
      table.add_rows(&problem, 0, problem.depth, 0, problem.columns, partial)
      table.finish_rows(&problem, partial, 1, 0, problem.columns)
    } else {
      table.product(&problem, 0, problem.rows, 0, problem.columns, scratch)
    }
  }
}
