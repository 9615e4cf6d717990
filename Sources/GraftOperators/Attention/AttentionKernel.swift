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
  /// The matrices of an operand, one for each place of the leading axes. Steps are in elements.
  struct Matrices: Sendable {
    /// The step along each leading axis; 0 repeats a matrix.
    var strides: [Int]
    var rowStride: Int
    var columnStride = 1
    /// Where the first one starts.
    var start = 0

    /// Of `[N, heads, rows, size]`, or of `[N, rows, heads · size]`. The heads are two axes, as
    /// `sharing` heads of queries share one of keys.
    init(heads: Int, sharing: Int = 1, rows: Int, size: Int, isPacked: Bool) {
      let headStride = isPacked ? size : rows * size
      strides = [heads * sharing * rows * size, sharing * headStride, headStride]
      rowStride = isPacked ? heads * sharing * size : size
    }

    init(strides: [Int], rowStride: Int, columnStride: Int, start: Int = 0) {
      self.strides = strides
      self.rowStride = rowStride
      self.columnStride = columnStride
      self.start = start
    }

    /// The same matrix for all heads that share it.
    var shared: Matrices {
      var matrices = self
      matrices.strides[2] = 0
      return matrices
    }

    /// Where the matrix with this number starts.
    func offset(_ number: Int, _ extents: [Int]) -> Int {
      var (rest, offset) = (number, start)
      for axis in extents.indices.reversed() {
        let (quotient, place) = rest.quotientAndRemainder(dividingBy: extents[axis])
        offset += place * strides[axis]
        rest = quotient
      }
      return offset
    }
  }

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
    let matrices: Matrices
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
  private struct Source: Sendable {
    enum Place: Sendable {
      case input(Int)
      case output(Int)
      case scratch(Int)
    }

    let place: Place
    let matrices: Matrices

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

  private let instructionSet: InstructionSet
  private let table: graft_gemm_table
  /// The extents of the leading axes of the scores.
  private let extents: [Int]
  /// Queries, keys, and the elements of each.
  private let length: Int
  private let total: Int
  private let size: Int
  private let valueSize: Int
  private let scale: Double
  private let query: Matrices
  private let keys: Source
  private let values: Source
  private let output: Matrices
  private let masks: [Mask]
  /// Inputs of one element that multiply or divide scores.
  private var scalars: [(input: Int, divides: Bool)] = []
  private let specialRows: SpecialRows

  // Of ``Attention`` only.
  private var attention: Attention?
  private var pastCount = 0
  private var headCount = 1
  private var hasPadding = false
  private var writesScores = false
  private var copies: [PreparedKernel.Phase] = []
  private var scratchByteCount = 0

  private static func table(_ context: PrepareContext) throws -> graft_gemm_table {
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
      workerScratchByteCount: scratch.byteCount)
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

  /// The keys that a row may see, apart from the masks.
  private func visible(row: Int, offset: Int, limit: Int) -> Range<Int> {
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
    let state = pointer(scratch.rows)
    func column(_ index: Int) -> UnsafeMutablePointer<Element> { state + index * rows.count }
    let (largest, sums, sees, factors) = (column(0), column(1), column(2), column(3))
    let (weights, peaks, places) = (column(4), column(5), column(6))
    largest.update(repeating: -.infinity, count: rows.count)
    sums.update(repeating: 0, count: rows.count)
    sees.update(repeating: 1, count: rows.count)
    let isWhole = range.count <= keyCount
    var scale = scale
    for (input, divides) in scalars {
      let factor = Double(arguments.input(input, as: Element.self)[0])
      scale = divides ? scale / factor : scale * factor
    }
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
      problem.a_depth_stride = query.columnStride
      problem.b = UnsafeRawPointer(key + start * keys.matrices.rowStride)
      problem.b_depth_stride = keys.matrices.columnStride
      problem.b_column_stride = keys.matrices.rowStride
      problem.c = UnsafeMutableRawPointer(scores)
      problem.c_row_stride = block.count
      problem.alpha = scale
      problem.activation = FusedActivation.identity.parameters
      multiply(&problem, product, partial: nil)
      try change(
        scores, block, arguments, pointer(scratch.mask), number, rows, sees: sees,
        offset: offset, limit: limit)
      let tracks = !isWhole || specialRows == .zeroesUnseen
      for index in 0..<rows.count {
        let row = scores + index * block.count
        factors[index] = 0
        places[index] = 0
        guard tracks else { continue }
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
        // A softmax with NaN is NaN everywhere.
        guard places[index] >= 0, !(isWhole && specialRows == .zeroesAll && row[0].isNaN) else {
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
        let total = sums[index]
        if total == 0 || total.isNaN && specialRows == .zeroesAll {
          target.update(repeating: specialRows == .spreads ? .nan : 0, count: valueSize)
        } else {
          for i in 0..<valueSize { target[i] = source[i] / total }
        }
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

  // MARK: Scores

  /// What happens to products before softmax.
  private func change(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, _ arguments: KernelArguments,
    _ scratch: UnsafeMutablePointer<Element>, _ number: Int, _ rows: Range<Int>,
    sees: UnsafeMutablePointer<Element>, offset: Int, limit: Int
  ) throws {
    if writesScores, attention?.scoreOutput == .products {
      writeScores(scores, arguments, number, rows)
    }
    cap(scores, count: rows.count * block.count)
    if writesScores, attention?.scoreOutput == .capped {
      writeScores(scores, arguments, number, rows)
    }
    if attention != nil || !masks.isEmpty {
      for (index, row) in rows.enumerated() {
        let seen = visible(row: row, offset: offset, limit: limit)
        let isSeen = try mask(
          scores + index * block.count, block, seen: seen, arguments, scratch, number, row)
        sees[index] = isSeen || specialRows != .zeroesUnseen ? 1 : 0
      }
    }
    if writesScores, attention?.scoreOutput == .biased {
      writeScores(scores, arguments, number, rows)
    }
  }

  /// Bounds scores: softcap · tanh(score / softcap).
  private func cap(_ scores: UnsafeMutablePointer<Element>, count: Int) {
    guard let attention, attention.softcap > 0 else { return }
    let cap = Element(attention.softcap)
    for i in 0..<count {
      // tanh x = 1 - 2 / (e^2x + 1)
      let power = Element.exponential(2 * scores[i] / cap)
      scores[i] = cap * (1 - 2 / (power + 1))
    }
  }

  /// Applies the masks to a row of scores of a block of keys; false if one forbids all of them.
  private func mask(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, seen: Range<Int>,
    _ arguments: KernelArguments, _ scratch: UnsafeMutablePointer<Element>, _ number: Int,
    _ row: Int
  ) throws -> Bool {
    var seen = seen.clamped(to: block)
    for mask in masks { seen = seen.clamped(to: 0..<mask.keyCount) }
    var sees = !seen.isEmpty
    for mask in masks where !seen.isEmpty {
      let start =
        mask.matrices.offset(number, extents) + row * mask.matrices.rowStride
        + seen.lowerBound * mask.matrices.columnStride
      let allows = try apply(
        mask, at: start, to: scores + (seen.lowerBound - block.lowerBound), count: seen.count,
        arguments, scratch)
      sees = sees && allows
    }
    let (first, end) =
      seen.isEmpty
      ? (block.upperBound, block.upperBound)
      : (seen.lowerBound, seen.upperBound)
    for key in block.lowerBound..<first { scores[key - block.lowerBound] = -.infinity }
    for key in end..<block.upperBound { scores[key - block.lowerBound] = -.infinity }
    return sees
  }

  /// False if the mask is known to forbid all of these keys.
  private func apply(
    _ mask: Mask, at start: Int, to scores: UnsafeMutablePointer<Element>, count: Int,
    _ arguments: KernelArguments, _ scratch: UnsafeMutablePointer<Element>
  ) throws -> Bool {
    let step = mask.matrices.columnStride
    switch mask.effect {
    case .hides(let hidden, let fill):
      let flags = arguments.input(mask.input, as: UInt8.self) + start
      let fill = Element(fill)
      if step == 0 {
        guard (flags[0] != 0) == hidden else { return true }
        scores.update(repeating: fill, count: count)
        return false
      }
      for i in 0..<count {
        scores[i] = (flags[i] != 0) == hidden ? fill : scores[i]
      }
      return (0..<count).contains { (flags[$0] != 0) != hidden }
    case .adds:
      var addends: UnsafePointer<Element>
      if mask.elementType == Element.elementType {
        addends = arguments.input(mask.input, as: Element.self) + start
      } else {
        let width = mask.elementType.byteWidth
        try ElementConversion.convert(
          arguments.input(mask.input) + start * width, mask.elementType, to: scratch,
          Element.elementType, count: step == 0 ? 1 : count)
        addends = UnsafePointer(scratch)
      }
      if step == 0 {
        let addend = addends[0]
        for i in 0..<count { scores[i] += addend }
        return addend != -.infinity
      }
      for i in 0..<count { scores[i] += addends[i] }
      return (0..<count).contains { addends[$0] != -.infinity }
    }
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
    _ scores: UnsafeMutablePointer<Element>, _ arguments: KernelArguments, _ number: Int,
    _ rows: Range<Int>
  ) {
    let target =
      arguments.output(3, as: Element.self) + (number * length + rows.lowerBound) * total
    target.update(from: scores, count: rows.count * total)
  }
}

// MARK: Attention

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
    query = Matrices(
      heads: keyHeads, sharing: sharing, rows: length, size: size, isPacked: isPacked)
    output = Matrices(
      heads: keyHeads, sharing: sharing, rows: length, size: valueSize, isPacked: isPacked)
    scale = attention.scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    hasPadding = context.hasInput(6)
    writesScores = context.hasOutput(3)
    masks = context.hasInput(3) ? [try Self.mask(context, sharing: sharing)] : []
    specialRows = .zeroesUnseen

    // Keys and values with those of the past are an output, or in the scratch memory.
    var sources: [Source] = []
    for (input, size) in [(1, size), (2, valueSize)] {
      let new = Matrices(heads: keyHeads, rows: newCount, size: size, isPacked: isPacked)
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
      let all = Matrices(heads: keyHeads, rows: total, size: size, isPacked: false)
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
      matrices: Matrices(
        strides: [steps[0], steps[1] * sharing, steps[1]], rowStride: steps[2],
        columnStride: 1), keyCount: shape[3])
  }

  /// Copies those of the past, and the new ones after them.
  private static func copy(
    _ place: Source.Place, _ new: Matrices, input: Int, taskCount: Int, heads: Int,
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
        target.update(from: past, count: pastCount * size)
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

// MARK: FusedAttention

extension AttentionKernel {
  init(_ attention: FusedAttention, _ context: PrepareContext) throws {
    instructionSet = context.instructionSet
    table = try Self.table(context)
    let shapes = try (0..<3).map { index in
      let shape = try context.input(index).shape
      return attention.order(index, rank: shape.count).map { shape[$0] }
    }
    let maskShapes = try attention.masks.indices.map { try context.input(3 + $0).shape }
    let scores = try attention.scoreShape(
      shapes.map { [Dimension]($0) }, maskShapes.map { [Dimension]($0) })
    let all = try broadcast([
      Array(scores.dropLast(2)), [Dimension](shapes[2].dropLast(2)),
    ])
    guard let extents = all.knownShape, let matrix = Array(scores.suffix(2)).knownShape else {
      throw GraftError(.software, "attention of unknown shapes")
    }
    self.extents = extents
    (length, total) = (matrix[0], matrix[1])
    size = shapes[0][shapes[0].count - 1]
    valueSize = shapes[2][shapes[2].count - 1]
    scale = Double(attention.scale)
    specialRows = attention.zeroesNaN ? .zeroesAll : .spreads
    let strides = try (0..<3).map { index in
      let shape = try context.input(index).shape
      return Self.matrices(
        shape, attention.order(index, rank: shape.count), attention.picks[index],
        extents: extents)
    }
    query = strides[0]
    keys = Source(place: .input(1), matrices: strides[1])
    values = Source(place: .input(2), matrices: strides[2])
    let logical = extents + [length, valueSize]
    let order = attention.outputOrder ?? Array(logical.indices)
    output = Self.matrices(
      order.map { logical[$0] }, FusedAttention.inverse(order), nil, extents: extents)
    scalars = attention.masks.enumerated().filter { $1.kind.isScalar }.map { index, mask in
      (3 + index, mask.kind == .divides)
    }
    masks = try attention.masks.enumerated().filter { !$1.kind.isScalar }.map { index, mask in
      let description = try context.input(3 + index)
      // Masks of a lower rank are repeated along rows.
      let shape =
        [Int](repeating: 1, count: max(0, 2 - description.rank)) + description.shape
      var matrices = Self.matrices(shape, Array(shape.indices), nil, extents: extents)
      if shape[shape.count - 1] == 1 { matrices.columnStride = 0 }
      return Mask(
        input: 3 + index, elementType: description.elementType,
        effect: mask.kind.isBoolean
          ? .hides(where: mask.kind == .hidesWhereTrue, fill: mask.fill) : .adds,
        matrices: matrices)
    }
  }

  /// The matrices of a tensor, whose axes are those of `order`. An axis of extent 1 is repeated.
  private static func matrices(
    _ shape: Shape, _ order: [Int], _ pick: FusedAttention.Pick?, extents: [Int]
  ) -> Matrices {
    let steps = shape.denseStrides
    let rank = order.count
    var strides = [Int](repeating: 0, count: extents.count)
    for (axis, from) in order.dropLast(2).enumerated() where shape[from] != 1 {
      strides[extents.count - (rank - 2) + axis] = steps[from]
    }
    let (row, column) = (order[rank - 2], order[rank - 1])
    return Matrices(
      strides: strides, rowStride: shape[row] == 1 ? 0 : steps[row],
      // Never repeated; one of the two steps is 1.
      columnStride: row == shape.count - 1 ? steps[column] : 1,
      start: pick.map { $0.index * steps[$0.axis] } ?? 0)
  }
}
