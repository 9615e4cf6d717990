import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The kernel of ``Attention``, in floats or doubles.
///
/// A task computes some rows of one head. It takes the keys in blocks, and keeps the largest score
/// and the sum of powers of each row, so that the matrix of scores is never in memory as a whole,
/// unless it is an output.
struct AttentionKernel<Element: RealElement>: Sendable {
  /// A matrix for each head, its rows a step apart.
  private struct Matrices: Sendable {
    var batchStride: Int
    var headStride: Int
    var rowStride: Int

    /// Of `[N, heads, rows, size]`, or of `[N, rows, heads · size]`.
    init(heads: Int, rows: Int, size: Int, isPacked: Bool) {
      batchStride = heads * rows * size
      headStride = isPacked ? size : rows * size
      rowStride = isPacked ? heads * size : size
    }
  }

  /// Rows of a task.
  private static var largestRowCount: Int { 64 }
  /// Keys of a block.
  private static var largestKeyCount: Int { 512 }

  private let attention: Attention
  private let instructionSet: InstructionSet
  private let table: graft_gemm_table
  private let batch: Int
  private let heads: Int
  private let keyHeads: Int
  private let length: Int
  private let newCount: Int
  private let pastCount: Int
  private let size: Int
  private let valueSize: Int
  private let scale: Double
  private let query: Matrices
  private let newKey: Matrices
  private let newValue: Matrices
  private let output: Matrices
  private let hasPadding: Bool
  private let mask: PrepareContext.Description?
  private let copiesKeys: Bool
  private let copiesValues: Bool
  private let writesScores: Bool
  private let writesKeys: Bool
  private let writesValues: Bool

  private var total: Int { pastCount + newCount }
  private var scalarSize: Int { MemoryLayout<Element>.stride }

  init(_ attention: Attention, _ context: PrepareContext) throws {
    self.attention = attention
    instructionSet = context.instructionSet
    let element = try Element.elementType.requireKernelElement()
    table = context.instructionSet.kernels.pointee.gemm[Int(element)].pointee
    let queryShape = try context.input(0).shape
    let keyShape = try context.input(1).shape
    let valueShape = try context.input(2).shape
    let isPacked = queryShape.count == 3
    batch = queryShape[0]
    heads = isPacked ? attention.queryHeads ?? 1 : queryShape[1]
    keyHeads = isPacked ? attention.keyHeads ?? 1 : keyShape[1]
    length = isPacked ? queryShape[1] : queryShape[2]
    newCount = isPacked ? keyShape[1] : keyShape[2]
    size = isPacked ? queryShape[2] / heads : queryShape[3]
    valueSize = isPacked ? valueShape[2] / keyHeads : valueShape[3]
    pastCount = context.hasInput(4) ? try context.input(4).shape[2] : 0
    query = Matrices(heads: heads, rows: length, size: size, isPacked: isPacked)
    newKey = Matrices(heads: keyHeads, rows: newCount, size: size, isPacked: isPacked)
    newValue = Matrices(heads: keyHeads, rows: newCount, size: valueSize, isPacked: isPacked)
    output = Matrices(heads: heads, rows: length, size: valueSize, isPacked: isPacked)
    hasPadding = context.hasInput(6)
    mask = context.hasInput(3) ? try context.input(3) : nil
    scale = attention.scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    writesKeys = context.hasOutput(1)
    writesValues = context.hasOutput(2)
    writesScores = context.hasOutput(3)
    copiesKeys = writesKeys || pastCount > 0
    copiesValues = writesValues || pastCount > 0
  }

  func kernel() throws -> PreparedKernel {
    let keyCount = writesScores ? total : min(total, Self.largestKeyCount)
    let rowCount = max(1, min(length, Self.largestRowCount, (1 << 20) / max(1, keyCount)))
    let rowParts = (length + rowCount - 1) / rowCount
    let scratch = try TaskScratch(self, rowCount: rowCount, keyCount: keyCount)
    // Keys with those of the past, where they are no output.
    let keyOffset = 0
    let keyBytes =
      copiesKeys && !writesKeys
      ? try Tensor.byteCount(
        Element.elementType, [batch, keyHeads, total, size]) : 0
    let valueOffset = (keyBytes + 63) & ~63
    let valueBytes =
      copiesValues && !writesValues
      ? try Tensor.byteCount(
        Element.elementType, [batch, keyHeads, total, valueSize]) : 0
    let keys = Source(
      input: 1, past: 4, output: 1, offset: keyOffset, isCopied: copiesKeys,
      isOutput: writesKeys, new: newKey, size: size)
    let values = Source(
      input: 2, past: 5, output: 2, offset: valueOffset, isCopied: copiesValues,
      isOutput: writesValues, new: newValue, size: valueSize)
    var phases: [PreparedKernel.Phase] = []
    for source in [keys, values] where source.isCopied { phases.append(copy(source)) }
    phases.append(
      PreparedKernel.Phase(taskCount: batch * heads * rowParts) { arguments, task in
        let (index, part) = task.quotientAndRemainder(dividingBy: rowParts)
        let (sample, head) = index.quotientAndRemainder(dividingBy: heads)
        let rows = evenRange(of: length, part: part, partCount: rowParts)
        try run(
          arguments, scratch, sample: sample, head: head, rows: rows, keyCount: keyCount, keys,
          values)
      })
    return PreparedKernel(
      phases: phases, scratchByteCount: valueOffset + valueBytes,
      workerScratchByteCount: scratch.byteCount)
  }

  // MARK: Keys and values

  /// The keys or the values of all heads: an input, or a copy with those of the past before it.
  private struct Source: Sendable {
    let input: Int
    let past: Int
    let output: Int
    let offset: Int
    let isCopied: Bool
    let isOutput: Bool
    let new: Matrices
    let size: Int

    func copy(_ arguments: KernelArguments) -> UnsafeMutablePointer<Element> {
      isOutput
        ? arguments.output(output, as: Element.self)
        : (arguments.scratch! + offset).assumingMemoryBound(to: Element.self)
    }

    /// A head's matrix and the step between its rows.
    func matrix(
      _ arguments: KernelArguments, sample: Int, head: Int, heads: Int, total: Int
    ) -> (UnsafePointer<Element>, Int) {
      isCopied
        ? (UnsafePointer(copy(arguments) + (sample * heads + head) * total * size), size)
        : (
          arguments.input(input, as: Element.self) + sample * new.batchStride
            + head * new.headStride, new.rowStride
        )
    }
  }

  private func copy(_ source: Source) -> PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: batch * keyHeads) { arguments, task in
      let (sample, head) = task.quotientAndRemainder(dividingBy: keyHeads)
      let size = source.size
      var target = source.copy(arguments) + task * total * size
      if pastCount > 0 {
        let past = arguments.input(source.past, as: Element.self) + task * pastCount * size
        target.update(from: past, count: pastCount * size)
        target += pastCount * size
      }
      let new =
        arguments.input(source.input, as: Element.self) + sample * source.new.batchStride
        + head * source.new.headStride
      for row in 0..<newCount {
        (target + row * size).update(from: new + row * source.new.rowStride, count: size)
      }
    }
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
      rows = try take(rowCount, 7)
      product = end
      byteCount =
        end
        + max(
          kernel.table.scratch_byte_count(rowCount, keyCount, kernel.size),
          kernel.table.scratch_byte_count(rowCount, kernel.valueSize, keyCount))
    }
  }

  /// The keys that a row may see, apart from the mask.
  private func visible(row: Int, offset: Int, limit: Int) -> Range<Int> {
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

  private func run(
    _ arguments: KernelArguments, _ scratch: TaskScratch, sample: Int, head: Int,
    rows: Range<Int>, keyCount: Int, _ keys: Source, _ values: Source
  ) throws {
    guard let memory = arguments.workerScratch else { return }
    func pointer(_ offset: Int) -> UnsafeMutablePointer<Element> {
      (memory + offset).assumingMemoryBound(to: Element.self)
    }
    var limit = total
    var offset = pastCount
    if hasPadding {
      let given = arguments.input(6, as: Int64.self)[sample]
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
      arguments.output(0, as: Element.self) + sample * output.batchStride
      + head * output.headStride + rows.lowerBound * output.rowStride
    let shared = head / (heads / keyHeads)
    let (key, keyStride) = keys.matrix(
      arguments, sample: sample, head: shared, heads: keyHeads, total: total)
    let (value, valueStride) = values.matrix(
      arguments, sample: sample, head: shared, heads: keyHeads, total: total)
    let question =
      arguments.input(0, as: Element.self) + sample * query.batchStride + head * query.headStride
      + rows.lowerBound * query.rowStride
    let scores = pointer(scratch.scores)
    let product = memory + scratch.product
    let state = pointer(scratch.rows)
    func column(_ index: Int) -> UnsafeMutablePointer<Element> { state + index * rows.count }
    let (largest, sums, sees, factors) = (column(0), column(1), column(2), column(3))
    let (weights, peaks, places) = (column(4), column(5), column(6))
    largest.update(repeating: -.infinity, count: rows.count)
    sums.update(repeating: 0, count: rows.count)
    sees.update(repeating: 0, count: rows.count)
    let isWhole = range.count <= keyCount
    let sum = pointer(scratch.sums)
    if !isWhole { sum.update(repeating: 0, count: rows.count * valueSize) }

    for start in stride(from: range.lowerBound, to: range.upperBound, by: max(1, keyCount)) {
      let block = start..<min(start + keyCount, range.upperBound)
      var problem = graft_gemm_problem()
      problem.rows = rows.count
      problem.columns = block.count
      problem.depth = size
      problem.a = UnsafeRawPointer(question)
      problem.a_row_stride = query.rowStride
      problem.a_depth_stride = 1
      problem.b = UnsafeRawPointer(key + start * keyStride)
      problem.b_depth_stride = 1
      problem.b_column_stride = keyStride
      problem.c = UnsafeMutableRawPointer(scores)
      problem.c_row_stride = block.count
      problem.alpha = scale
      problem.activation = FusedActivation.identity.parameters
      multiply(&problem, product, partial: nil)
      if writesScores, attention.scoreOutput == .products {
        writeScores(scores, arguments, sample, head, rows)
      }
      cap(scores, count: rows.count * block.count)
      if writesScores, attention.scoreOutput == .capped {
        writeScores(scores, arguments, sample, head, rows)
      }
      for (index, row) in rows.enumerated() {
        sees[index] = 0
        let seen = visible(row: row, offset: offset, limit: limit)
        let isSeen = try addBias(
          scores + index * block.count, block, seen: seen, arguments, pointer(scratch.mask),
          sample, head, row)
        if isSeen { sees[index] = 1 }
      }
      if writesScores, attention.scoreOutput == .biased {
        writeScores(scores, arguments, sample, head, rows)
      }
      for index in 0..<rows.count {
        let row = scores + index * block.count
        factors[index] = 0
        if sees[index] != 0, let place = largestScore(row, count: block.count, exact: !isWhole) {
          places[index] = Element(place)
          peaks[index] = row[place]
        } else {
          // No weights: the row counts as zeros below.
          places[index] = -1
        }
      }
      Element.softmaxRows(
        scores, scores, rowCount: rows.count, length: block.count, isLogarithm: false,
        instructionSet)
      for index in 0..<rows.count {
        let row = scores + index * block.count
        guard places[index] >= 0 else {
          row.update(repeating: 0, count: block.count)
          continue
        }
        guard !isWhole else { continue }
        // The sum of powers follows from the weight of the largest score.
        let peak = max(largest[index], peaks[index])
        let weight = Element.exponential(peaks[index] - peak) / row[Int(places[index])]
        let kept = largest[index] == -.infinity ? 0 : Element.exponential(largest[index] - peak)
        largest[index] = peak
        sums[index] = sums[index] * kept + weight
        weights[index] = weight
        factors[index] = kept
      }
      if writesScores, attention.scoreOutput == .probabilities {
        writeScores(scores, arguments, sample, head, rows)
      }
      var weighted = graft_gemm_problem()
      weighted.rows = rows.count
      weighted.columns = valueSize
      weighted.depth = block.count
      weighted.a = UnsafeRawPointer(scores)
      weighted.a_row_stride = block.count
      weighted.a_depth_stride = 1
      weighted.b = UnsafeRawPointer(value + start * valueStride)
      weighted.b_depth_stride = valueStride
      weighted.b_column_stride = 1
      weighted.alpha = 1
      weighted.activation = FusedActivation.identity.parameters
      let part = pointer(scratch.part)
      weighted.c = UnsafeMutableRawPointer(isWhole ? result : part)
      weighted.c_row_stride = isWhole ? output.rowStride : valueSize
      multiply(&weighted, product, partial: part)
      guard !isWhole else { continue }
      for index in 0..<rows.count {
        let (target, added) = (sum + index * valueSize, part + index * valueSize)
        guard places[index] >= 0 else { continue }
        for i in 0..<valueSize {
          target[i] = target[i] * factors[index] + weights[index] * added[i]
        }
      }
    }
    if range.isEmpty {
      for index in 0..<rows.count {
        (result + index * output.rowStride).update(repeating: 0, count: valueSize)
      }
    } else if !isWhole {
      for index in 0..<rows.count {
        let (source, target) = (sum + index * valueSize, result + index * output.rowStride)
        for i in 0..<valueSize { target[i] = sums[index] == 0 ? 0 : source[i] / sums[index] }
      }
    }
  }

  /// A product of few rows reads its right matrix in place; of more rows, in panels.
  private func multiply(
    _ problem: inout graft_gemm_problem, _ scratch: UnsafeMutableRawPointer,
    partial: UnsafeMutablePointer<Element>?
  ) {
    guard problem.rows > 0, problem.columns > 0 else { return }
    if problem.rows > GRAFT_GEMV_MAXIMUM_ROWS {
      table.product(&problem, 0, problem.rows, 0, problem.columns, scratch)
    } else if let partial {
      table.add_rows(&problem, 0, problem.depth, 0, problem.columns, partial)
      table.finish_rows(&problem, partial, 1, 0, problem.columns)
    } else {
      table.dot_columns(&problem, 0, problem.columns)
    }
  }

  /// Bounds scores: softcap · tanh(score / softcap).
  private func cap(_ scores: UnsafeMutablePointer<Element>, count: Int) {
    guard attention.softcap > 0 else { return }
    let cap = Element(attention.softcap)
    for i in 0..<count {
      // tanh x = 1 - 2 / (e^2x + 1)
      let power = Element.exponential(2 * scores[i] / cap)
      scores[i] = cap * (1 - 2 / (power + 1))
    }
  }

  /// Adds a row of the bias to scores of a block of keys; false if it forbids all of them.
  private func addBias(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, seen: Range<Int>,
    _ arguments: KernelArguments, _ scratch: UnsafeMutablePointer<Element>, _ sample: Int,
    _ head: Int, _ row: Int
  ) throws -> Bool {
    var seen = seen.clamped(to: block)
    var sees = !seen.isEmpty
    if let mask {
      let extents = [Int](repeating: 1, count: 4 - mask.rank) + mask.shape
      // Keys after the end of a short mask are not seen.
      seen = seen.clamped(to: 0..<extents[3])
      var start = 0
      for (extent, index) in zip(extents, [sample, head, row, 0]) {
        start = start * extent + (extent == 1 ? 0 : index)
      }
      sees = false
      if mask.elementType == .bool {
        let allowed = arguments.input(3, as: UInt8.self) + start
        for key in seen {
          if allowed[key] == 0 { scores[key - block.lowerBound] = -.infinity } else { sees = true }
        }
      } else if !seen.isEmpty {
        let width = mask.elementType.byteWidth
        try ElementConversion.convert(
          arguments.input(3) + (start + seen.lowerBound) * width, mask.elementType, to: scratch,
          Element.elementType, count: seen.count)
        let row = scores + (seen.lowerBound - block.lowerBound)
        for i in 0..<seen.count { row[i] += scratch[i] }
        sees = (0..<seen.count).contains { scratch[$0] != -.infinity }
      }
    }
    let (first, end) =
      seen.isEmpty
      ? (block.upperBound, block.upperBound)
      : (seen.lowerBound, seen.upperBound)
    for key in block.lowerBound..<first { scores[key - block.lowerBound] = -.infinity }
    for key in end..<block.upperBound { scores[key - block.lowerBound] = -.infinity }
    return sees
  }

  /// The place of the largest score, or of any that is not -infinity; `nil` if all are.
  private func largestScore(
    _ scores: UnsafeMutablePointer<Element>, count: Int, exact: Bool
  ) -> Int? {
    guard var place = (0..<count).first(where: { scores[$0] != -.infinity }) else { return nil }
    guard exact else { return place }
    for i in place..<count where scores[i] > scores[place] || scores[place].isNaN { place = i }
    return place
  }

  /// Writes scores of all keys to output 3.
  private func writeScores(
    _ scores: UnsafeMutablePointer<Element>, _ arguments: KernelArguments, _ sample: Int,
    _ head: Int, _ rows: Range<Int>
  ) {
    let target =
      arguments.output(3, as: Element.self)
      + ((sample * heads + head) * length + rows.lowerBound) * total
    target.update(from: scores, count: rows.count * total)
  }
}
