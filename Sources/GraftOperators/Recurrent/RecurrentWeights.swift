import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// Hidden units in blocks of one or two vectors, and matrices of gates packed for them.
///
/// The columns of packed gates are [block][gate][unit]: a block of panels holds all gates of its
/// units. What is missing in the last block is 0.
struct RecurrentLayout: Sendable {
  let cell: RecurrentCell
  let shape: RecurrentShape
  let elementType: ElementType
  let instructionSet: InstructionSet
  /// The units of a block, which are the columns of a panel.
  let blockUnits: Int
  let blockCount: Int
  /// The distance between two rows of states.
  let stateStride: Int

  init(
    _ cell: RecurrentCell, _ shape: RecurrentShape, _ elementType: ElementType,
    _ instructionSet: InstructionSet
  ) throws {
    self.cell = cell
    self.shape = shape
    self.elementType = elementType
    self.instructionSet = instructionSet
    let element = try elementType.requireKernelElement()
    let wide = instructionSet.kernels.pointee.gemm[Int(element)].pointee.panel_columns
    // Two vectors a panel multiply faster, if that does not mean more padding.
    let vectors = (shape.units + wide / 2 - 1) / (wide / 2)
    blockUnits = vectors % 2 == 0 ? wide : wide / 2
    blockCount = (shape.units + blockUnits - 1) / blockUnits
    stateStride = RecurrentLayout.rowStride(blockCount * blockUnits, elementType)
  }

  var width: Int { elementType.byteWidth }
  var paddedUnits: Int { blockCount * blockUnits }

  var products: graft_gemm_table {
    instructionSet.kernels.pointee.gemm[Int(elementType.kernelElement ?? 0)].pointee
  }

  var steps: graft_recurrent_table {
    // The tables have the types of floating point only, which inference requires.
    let tables = instructionSet.kernels.pointee.recurrent
    return (elementType == .double ? tables[1] : tables[0]).pointee
  }

  /// A distance between rows of `count` elements that spreads them over the sets of the cache.
  static func rowStride(_ count: Int, _ elementType: ElementType) -> Int {
    let line = 64 / elementType.byteWidth
    let rounded = (count + line - 1) / line * line
    return rounded * elementType.byteWidth % 1024 == 0 ? rounded + line : rounded
  }

  /// The columns of the packed gates of a group.
  func columnCount(_ group: [Int]) -> Int { blockCount * group.count * blockUnits }

  /// The distance between two rows of gates of a group.
  func gateStride(_ group: [Int]) -> Int {
    RecurrentLayout.rowStride(columnCount(group), elementType)
  }

  /// What determines the bytes of packed matrices.
  private func format(_ name: String, _ group: [Int]) -> String {
    let gates = group.map(String.init).joined(separator: ",")
    return "\(name) \(gates) of \(cell.gateCount)/\(blockUnits)"
  }

  /// The block, and the gate, of a panel of a group.
  private func place(ofPanel panel: Int, _ group: [Int]) -> (block: Int, gate: Int) {
    let (block, position) = panel.quotientAndRemainder(dividingBy: group.count)
    return (block, group[position])
  }

  /// W or R, `[D, G * H, depth]`: for each direction panels of gates, each depth x units.
  func panels(
    of input: Int, depth: Int, group: [Int], scratch: inout ScratchLayout,
    _ context: PrepareContext
  ) throws -> PackedOperand {
    let panelCount = blockCount * group.count
    let size = [panelCount, depth, blockUnits].checkedProduct ?? .max
    return try PackedOperand(
      input: input, elementType: elementType,
      count: [size, shape.directions].checkedProduct ?? .max,
      taskCount: shape.directions * panelCount, format: format("gates", group), scratch: &scratch,
      context
    ) { [self] source, task, packed in
      let (direction, panel) = task.quotientAndRemainder(dividingBy: panelCount)
      let (block, gate) = place(ofPanel: panel, group)
      let row = (direction * cell.gateCount + gate) * shape.units + block * blockUnits
      products.pack_panel(
        source + row * depth * width, 1, depth, depth,
        min(blockUnits, shape.units - block * blockUnits), blockUnits,
        packed + (direction * size + panel * depth * blockUnits) * width)
    }
  }

  /// The transposed panels, for gradients: W or R `[D, G * H, columns]`, for each direction panels
  /// of its columns, whose depth is that of the group's packed gates.
  func transposedPanels(
    of input: Int, columns: Int, panelColumns: Int, group: [Int], scratch: inout ScratchLayout,
    _ context: PrepareContext
  ) throws -> PackedOperand {
    let panelCount = (columns + panelColumns - 1) / panelColumns
    let depth = columnCount(group)
    let size = [panelCount, depth, panelColumns].checkedProduct ?? .max
    return try PackedOperand(
      input: input, elementType: elementType,
      count: [size, shape.directions].checkedProduct ?? .max,
      taskCount: shape.directions * panelCount,
      format: format("transposed gates", group) + "/\(panelColumns)", scratch: &scratch, context
    ) { [self] source, task, packed in
      let (direction, panel) = task.quotientAndRemainder(dividingBy: panelCount)
      let first = panel * panelColumns
      let count = min(panelColumns, columns - first)
      // As in products, a last panel that is half full is half as wide.
      let panelWidth =
        count <= products.panel_columns / 2 && panelColumns == products.panel_columns
        ? panelColumns / 2 : panelColumns
      var target = packed + (direction * size + first * depth) * width
      for index in 0..<blockCount * group.count {
        let (block, gate) = place(ofPanel: index, group)
        let units = min(blockUnits, shape.units - block * blockUnits)
        let row = (direction * cell.gateCount + gate) * shape.units + block * blockUnits
        products.pack_panel(
          source + (row * columns + first) * width, columns, 1, units, count, panelWidth, target)
        let packedBytes = units * panelWidth * width
        let blockBytes = blockUnits * panelWidth * width
        (target + packedBytes).initializeMemory(
          as: UInt8.self, repeating: 0, count: blockBytes - packedBytes)
        target += blockBytes
      }
    }
  }

  /// The biases of a group for each direction, [block][gate][unit].
  enum BiasPart {
    /// Wb + Rb
    case sum
    case input
    case recurrent
  }

  func bias(
    _ part: BiasPart, group: [Int], scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws -> PackedOperand? {
    guard context.hasInput(RecurrentInput.bias) else { return nil }
    let columns = columnCount(group)
    return try PackedOperand(
      input: RecurrentInput.bias, elementType: elementType, count: shape.directions * columns,
      taskCount: shape.directions, format: format("bias \(part)", group), scratch: &scratch, context
    ) { [self] source, direction, packed in
      let target = packed + direction * columns * width
      target.initializeMemory(as: UInt8.self, repeating: 0, count: columns * width)
      let half = cell.gateCount * shape.units
      let biases = source + direction * 2 * half * width
      for panel in 0..<blockCount * group.count {
        let (block, gate) = place(ofPanel: panel, group)
        let units = min(blockUnits, shape.units - block * blockUnits)
        let place = biases + (gate * shape.units + block * blockUnits) * width
        let panelTarget = target + panel * blockUnits * width
        switch part {
        case .sum: steps.add(place, place + half * width, units, panelTarget)
        case .input: panelTarget.copyMemory(from: place, byteCount: units * width)
        case .recurrent:
          panelTarget.copyMemory(from: place + half * width, byteCount: units * width)
        }
      }
    }
  }

  /// P `[D, 3 * H]` for each direction, [i, o, f][padded unit].
  func peepholes(
    scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws -> PackedOperand? {
    guard cell.hasCellState, context.hasInput(RecurrentInput.peepholes) else { return nil }
    let size = 3 * paddedUnits
    return try PackedOperand(
      input: RecurrentInput.peepholes, elementType: elementType, count: shape.directions * size,
      taskCount: shape.directions, format: "peepholes/\(blockUnits)", scratch: &scratch, context
    ) { [self] source, direction, packed in
      let target = packed + direction * size * width
      target.initializeMemory(as: UInt8.self, repeating: 0, count: size * width)
      for gate in 0..<3 {
        (target + gate * paddedUnits * width).copyMemory(
          from: source + (direction * 3 + gate) * shape.units * width,
          byteCount: shape.units * width)
      }
    }
  }

  /// Copies what is packed like gates, [block][gate][unit] rows of `rowByteCount` bytes, to rows
  /// [gate][unit].
  func unpack(
    _ packed: UnsafeRawPointer, group: [Int], rowByteCount: Int, to target: UnsafeMutableRawPointer
  ) {
    for panel in 0..<blockCount * group.count {
      let (block, gate) = place(ofPanel: panel, group)
      let units = min(blockUnits, shape.units - block * blockUnits)
      (target + (gate * shape.units + block * blockUnits) * rowByteCount).copyMemory(
        from: packed + panel * blockUnits * rowByteCount, byteCount: units * rowByteCount)
    }
  }
}
