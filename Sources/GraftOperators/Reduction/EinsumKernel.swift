import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of Einsum. Combines operands pairwise: in scratch memory, each pair is rearranged to
/// `[batch, rows, inner]` and `[batch, inner, columns]` and multiplied. The product is the next
/// left operand.
struct EinsumKernel<Products: EinsumProducts> {
  private typealias Element = Products.Element

  /// The location of an operand's elements.
  private enum Place {
    case input(Int)
    case scratch(Int)
    case output

    func read(_ arguments: KernelArguments) -> UnsafePointer<Element>? {
      switch self {
      case .input(let index): return arguments.input(index, as: Element.self)
      case .output: return UnsafePointer(arguments.output(0, as: Element.self))
      case .scratch(let offset):
        return arguments.scratch.map {
          UnsafePointer(($0 + offset).assumingMemoryBound(to: Element.self))
        }
      }
    }

    func write(_ arguments: KernelArguments) -> UnsafeMutablePointer<Element>? {
      switch self {
      case .input: return nil
      case .output: return arguments.output(0, as: Element.self)
      case .scratch(let offset):
        return arguments.scratch.map { ($0 + offset).assumingMemoryBound(to: Element.self) }
      }
    }
  }

  /// An operand: its distinct labels, and a stride for each.
  private struct View {
    var place: Place
    var labels: [EinsumLabel]
    var strides: [EinsumLabel: Int]
  }

  private let extents: [EinsumLabel: Int]
  private let operands: [View]
  private let output: [EinsumLabel]
  private let instructionSet: InstructionSet
  private var phases: [PreparedKernel.Phase] = []
  private var scratchByteCount = 0
  private var rowByteCount = 0

  init(_ context: PrepareContext, _ operation: Einsum, _: Products.Type) throws {
    let shapes = try context.inputs.indices.map { try context.input($0).shape }
    let resolved = try operation.equation.resolved(ranks: shapes.map(\.count))
    extents = try resolved.extents(shapes.map { [Dimension]($0) }).mapValues { $0.known ?? 1 }
    output = resolved.output
    instructionSet = context.instructionSet
    operands = shapes.indices.map { index in
      var strides: [EinsumLabel: Int] = [:]
      for (label, (extent, stride)) in zip(
        resolved.operands[index], zip(shapes[index], shapes[index].denseStrides))
      {
        // A repeated label reads the diagonal; an extent of 1 is broadcast.
        strides[label, default: 0] += extent == 1 ? 0 : stride
      }
      return View(place: .input(index), labels: strides.keys.sorted(), strides: strides)
    }
  }

  func kernel() throws -> PreparedKernel {
    var builder = self
    try builder.build()
    return PreparedKernel(
      phases: builder.phases, scratchByteCount: builder.scratchByteCount,
      workerScratchByteCount: builder.rowByteCount)
  }

  private mutating func build() throws {
    guard var left = operands.first else { return }
    // The last use of each label; those of the output are needed to the end.
    var lastPlaces: [EinsumLabel: Int] = [:]
    for (index, operand) in operands.enumerated() {
      for label in operand.labels { lastPlaces[label] = index }
    }
    for label in output { lastPlaces[label] = operands.count }
    for (index, right) in operands.enumerated().dropFirst() {
      let later = Set((left.labels + right.labels).filter { (lastPlaces[$0] ?? 0) > index })
      left = try multiply(left, right, keeping: later)
    }
    try arrange(left, as: output, in: .output)
  }

  private func shape(_ labels: [EinsumLabel]) -> Shape { labels.map { extents[$0] ?? 1 } }

  /// Memory for a dense operand with these labels.
  private mutating func makeView(_ labels: [EinsumLabel]) throws -> View {
    let shape = shape(labels)
    let count = try shape.checkedElementCount()
    let place = Place.scratch(scratchByteCount)
    scratchByteCount += (count * MemoryLayout<Element>.stride + 63) & ~63
    guard scratchByteCount <= 1 << 52 else {
      throw GraftError.badData("the products of the operands have too many elements")
    }
    return View(
      place: place, labels: labels,
      strides: Dictionary(uniqueKeysWithValues: zip(labels, shape.denseStrides)))
  }

  /// Writes a view densely in the order `labels`, summed over the other labels.
  private mutating func arrange(
    _ view: View, as labels: [EinsumLabel], in destination: Place
  ) throws {
    let summed = view.labels.filter { !labels.contains($0) }
    let count = try shape(labels).checkedElementCount()
    let rows = StridedRows(
      extents: shape(labels), strides: [labels.map { view.strides[$0] ?? 0 }])
    let terms = StridedRows(
      extents: shape(summed), strides: [summed.map { view.strides[$0] ?? 0 }])
    let source = view.place
    let termCount = terms.elementCount
    phases.append(
      .parallel(count: count, grain: max(1, 8192 / max(1, termCount))) { arguments, range in
        guard let elements = source.read(arguments), let results = destination.write(arguments)
        else { return }
        rows.forEachRow(in: range) { offsets, position, count in
          for index in 0..<count {
            let first = elements + offsets[0] + index * rows.innerStrides[0]
            if termCount == 1 {
              results[position + index] = first.pointee
              continue
            }
            var total = Products.empty
            terms.forEachRow(in: 0..<termCount) { offsets, _, count in
              for index in 0..<count {
                Products.add(first[offsets[0] + index * terms.innerStrides[0]], to: &total)
              }
            }
            results[position + index] = Products.element(total)
          }
        }
      })
  }

  /// The product of two operands, summed over labels that are not needed later.
  private mutating func multiply(
    _ left: View, _ right: View, keeping later: Set<EinsumLabel>
  ) throws -> View {
    let leftLabels = Set(left.labels)
    let rightLabels = Set(right.labels)
    let shared = left.labels.filter(rightLabels.contains)
    let batch = shared.filter(later.contains)
    let inner = shared.filter { !later.contains($0) }
    let rows = left.labels.filter { !rightLabels.contains($0) && later.contains($0) }
    let columns = right.labels.filter { !leftLabels.contains($0) && later.contains($0) }

    let first = try makeView(batch + rows + inner)
    try arrange(left, as: first.labels, in: first.place)
    let second = try makeView(batch + inner + columns)
    try arrange(right, as: second.labels, in: second.place)
    let product = try makeView(batch + rows + columns)
    let rowCount = try shape(rows).checkedElementCount()
    let innerCount = try shape(inner).checkedElementCount()
    let columnCount = try shape(columns).checkedElementCount()
    let totalRows = try shape(batch + rows).checkedElementCount()
    phases.append(
      matrixPhase(
        first.place, second.place, product.place, rowCount: rowCount, innerCount: innerCount,
        columnCount: columnCount, totalRows: totalRows))
    return product
  }

  /// Products of matrices `[rowCount, innerCount]` and `[innerCount, columnCount]`.
  private mutating func matrixPhase(
    _ first: Place, _ second: Place, _ product: Place, rowCount: Int, innerCount: Int,
    columnCount: Int, totalRows: Int
  ) -> PreparedKernel.Phase {
    let addScaled = Products.addScaled(instructionSet)
    let width = max(1, min(columnCount, 2048))
    rowByteCount = max(rowByteCount, width * MemoryLayout<Element>.stride)
    let work = max(1, innerCount.multipliedReportingOverflow(by: columnCount).partialValue)
    return .parallel(count: totalRows, grain: max(1, 32768 / work)) { arguments, range in
      guard let left = first.read(arguments), let right = second.read(arguments),
        let result = product.write(arguments)
      else { return }
      for row in range {
        let leftRow = left + row * innerCount
        let matrix = right + row / rowCount * innerCount * columnCount
        let resultRow = result + row * columnCount
        if columnCount == 1 {
          var total = Products.empty
          for index in 0..<innerCount {
            Products.addProduct(leftRow[index], matrix[index], to: &total)
          }
          resultRow.pointee = Products.element(total)
          continue
        }
        guard let scratch = arguments.workerScratch else { return }
        let partial = scratch.bindMemory(to: Element.self, capacity: width)
        for start in stride(from: 0, to: columnCount, by: width) {
          let count = min(width, columnCount - start)
          let results = resultRow + start
          results.update(repeating: Products.element(Products.empty), count: count)
          for block in stride(from: 0, to: innerCount, by: 32) {
            partial.update(repeating: Products.element(Products.empty), count: count)
            for index in block..<min(innerCount, block + 32) {
              addScaled(partial, leftRow[index], matrix + index * columnCount + start, count)
            }
            addScaled(results, Products.one, partial, count)
          }
        }
      }
    }
  }
}
