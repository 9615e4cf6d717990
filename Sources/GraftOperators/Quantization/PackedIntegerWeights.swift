import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// Weights of 8 bits packed for integer products, and the sums of their columns: at plan time if
/// they are constant, otherwise by the kernel's first phase.
struct PackedIntegerWeights: Sendable {
  /// Where the weights are: the one of a group at depth k and a column is at group · groupStride +
  /// column · columnStride + offsets[k]. An offset below 0 stands for a weight of 0.
  struct Layout: Sendable, Hashable {
    var groupCount: Int
    var groupStride: Int
    /// The columns of a group.
    var columnCount: Int
    var columnStride: Int
    /// Padded to whole groups of depths.
    var offsets: [Int]
    /// Whether the columns are channels that are each multiplied alone.
    var isDepthwise = false
  }

  private enum Place {
    case packed(Tensor)
    /// The offset in scratch memory.
    case scratch(Int)
  }

  private let layout: Layout
  private let instructions: IntegerInstructions
  private let input: Int
  private let kind: ByteKind
  private var place: Place
  /// The columns of a group with padding.
  let paddedColumns: Int
  private let panelColumns: Int

  /// The panels that a task packs.
  private static let panelsPerTask = 4

  init(_ layout: Layout, input: Int, scratch: inout ScratchLayout, _ context: PrepareContext)
    throws
  {
    self.layout = layout
    self.input = input
    instructions = IntegerInstructions(context)
    kind = ByteKind(try context.input(input).elementType)
    let product = layout.isDepthwise ? instructions.depthwise : instructions.product
    panelColumns = product.panel_columns
    paddedColumns = product.paddedColumns(layout.columnCount)
    place = .scratch(0)
    guard let constant = context.constant(input) else {
      place = .scratch(try scratch.reserve(byteCount: byteCount))
      return
    }
    let format =
      "integers/\(layout.groupCount)/\(layout.groupStride)/\(layout.columnCount)/"
      + "\(layout.columnStride)/\(layout.isDepthwise)/\(product.group_depth)/\(panelColumns)/"
      + Self.description(of: layout.offsets)
    let unpacked = self
    let packed = try context.packedConstants.packed(
      constant, format: format, elementType: .uint8, count: byteCount, taskCount: taskCount
    ) { weights, task, packed in
      unpacked.pack(task, weights, to: packed)
    }
    place = .packed(packed)
  }

  /// A text that differs where the offsets do: the steps between them, and how often each occurs in
  /// a row.
  private static func description(of offsets: [Int]) -> String {
    var runs: [String] = []
    var index = 0
    while index < offsets.count {
      let step = index + 1 < offsets.count ? offsets[index + 1] - offsets[index] : 0
      var end = index + 1
      while end < offsets.count, offsets[end] - offsets[end - 1] == step { end += 1 }
      runs.append("\(offsets[index])+\(step)x\(end - index)")
      index = end
    }
    return runs.joined(separator: ",")
  }

  private var panelCount: Int { paddedColumns / panelColumns }
  private var groupByteCount: Int {
    paddedColumns * layout.offsets.count * (layout.isDepthwise ? 2 : 1)
  }
  /// Sums come after all panels.
  private var sumsOffset: Int { (layout.groupCount * groupByteCount + 63) & ~63 }
  private var byteCount: Int {
    sumsOffset + layout.groupCount * paddedColumns * MemoryLayout<Int32>.stride
  }
  private var tasksPerGroup: Int {
    (panelCount + Self.panelsPerTask - 1) / Self.panelsPerTask
  }
  private var taskCount: Int { layout.groupCount * tasksPerGroup }

  /// The packing phase, if the kernel packs.
  var phase: PreparedKernel.Phase? {
    guard case .scratch(let offset) = place else { return nil }
    return PreparedKernel.Phase(taskCount: taskCount) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      pack(task, arguments.input(input), to: scratch + offset)
    }
  }

  private func pack(
    _ task: Int, _ weights: UnsafeRawPointer, to packed: UnsafeMutableRawPointer
  ) {
    let (group, part) = task.quotientAndRemainder(dividingBy: tasksPerGroup)
    let panels = evenRange(of: panelCount, part: part, partCount: tasksPerGroup)
    let source = weights + group * layout.groupStride
    let target = packed + group * groupByteCount
    let sums =
      (packed + sumsOffset).assumingMemoryBound(to: Int32.self) + group * paddedColumns
    if layout.isDepthwise {
      packChannels(panels, source, to: target.assumingMemoryBound(to: Int16.self), sums)
      return
    }
    layout.offsets.withUnsafeBufferPointer { offsets in
      var description = graft_integer_weights()
      description.weights = source
      description.is_signed = kind.isSigned ? 1 : 0
      description.column_count = layout.columnCount
      description.column_stride = layout.columnStride
      description.offsets = offsets.baseAddress
      description.depth = offsets.count
      description.group_depth = instructions.product.group_depth
      description.panel_columns = panelColumns
      description.panels = target.assumingMemoryBound(to: Int8.self)
      description.sums = sums
      graft_pack_integer_weights(&description, panels.lowerBound, panels.count)
    }
  }

  private func packChannels(
    _ panels: Range<Int>, _ weights: UnsafeRawPointer, to packed: UnsafeMutablePointer<Int16>,
    _ sums: UnsafeMutablePointer<Int32>
  ) {
    for column in panels.lowerBound * panelColumns..<panels.upperBound * panelColumns {
      let (panel, lane) = column.quotientAndRemainder(dividingBy: panelColumns)
      sums[column] = 0
      for (k, offset) in layout.offsets.enumerated() {
        let weight =
          column < layout.columnCount
          ? kind.integer(weights, offset + column * layout.columnStride) - kind.weightShift : 0
        packed[(panel * layout.offsets.count + k) * panelColumns + lane] = Int16(weight)
        sums[column] += weight
      }
    }
  }

  /// The panels of a group, from one on.
  func panels(
    _ arguments: KernelArguments, group: Int, from panel: Int = 0
  ) -> UnsafeRawPointer? {
    base(arguments)?.advanced(
      by: group * groupByteCount + groupByteCount / max(1, panelCount) * panel)
  }

  /// The sums of a group's columns.
  func sums(_ arguments: KernelArguments, group: Int) -> UnsafePointer<Int32>? {
    base(arguments)?.advanced(by: sumsOffset).assumingMemoryBound(to: Int32.self)
      .advanced(by: group * paddedColumns)
  }

  private func base(_ arguments: KernelArguments) -> UnsafeRawPointer? {
    switch place {
    case .packed(let tensor): UnsafeRawPointer(tensor.baseAddress)
    case .scratch(let offset): arguments.scratch.map { UnsafeRawPointer($0 + offset) }
    }
  }
}
