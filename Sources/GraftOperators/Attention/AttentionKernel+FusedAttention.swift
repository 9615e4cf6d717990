import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of ``FusedAttention``: leading axes broadcast, axes in any order.
extension AttentionKernel {
  init(_ attention: FusedAttention, _ context: PrepareContext) throws {
    instructionSet = context.instructionSet
    table = try Self.table(context)
    let inputs = try (0..<3 + attention.masks.count).map { try context.input($0) }
    let shapes = try attention.shapes(inputs.map { [Dimension]($0.shape) })
    guard let leading = shapes.leading.knownShape, let matrix = shapes.scores.knownShape,
      let width = shapes.value.last?.known, let depth = shapes.query.last?.known
    else {
      throw GraftError(.software, "attention of unknown shapes")
    }
    (length, total) = (matrix[matrix.count - 2], matrix[matrix.count - 1])
    (size, valueSize) = (depth, width)
    scale = Double(attention.scale)
    softcap = attention.softcap
    specialRows = attention.zeroesNaN ? .zeroesAll : .spreads

    // Windows and the heads that share keys become axes of their own.
    let (windows, sharing) = (attention.windowCount, attention.keySharing)
    var extents = leading
    if windows > 1 { extents.replaceSubrange(0..<1, with: [extents[0] / windows, windows]) }
    let windowed = extents
    if sharing > 1 {
      let last = extents.removeLast()
      extents += [last / sharing, sharing]
    }
    self.extents = extents
    func grouped(
      _ matrices: AttentionMatrices, isWindowed: Bool = false, isShared: Bool = false
    ) -> AttentionMatrices {
      var matrices = matrices
      if windows > 1, !isWindowed { matrices.group(0, by: windows) }
      if sharing > 1 {
        matrices.group(windowed.count - 1, by: sharing, isShared: isShared)
      }
      return matrices
    }
    let operands = (0..<3).map { index in
      let shape = inputs[index].shape
      let pick = attention.picks[index]
      return grouped(
        AttentionMatrices(
          shape, order: attention.order(index, rank: shape.count),
          start: pick.map { $0.index * shape.denseStrides[$0.axis] } ?? 0, extents: leading),
        isShared: index > 0)
    }
    query = operands[0]
    keys = Source(place: .input(1), matrices: operands[1])
    values = Source(place: .input(2), matrices: operands[2])
    let logical = leading + [length, valueSize]
    let order = attention.outputOrder ?? Array(logical.indices)
    output = grouped(
      AttentionMatrices(
        order.map { logical[$0] }, order: FusedAttention.inverse(order), extents: leading))
    for (index, mask) in attention.masks.enumerated() where mask.kind.isScalar {
      scalars.append((3 + index, mask.kind == .divides))
    }
    masks = attention.masks.enumerated().filter { !$1.kind.isScalar }.map { index, mask in
      let description = inputs[3 + index]
      // Masks of a lower rank are repeated along rows.
      let shape =
        [Int](repeating: 1, count: max(0, 2 - description.rank)) + description.shape
      let isWindowed = mask.kind == .addsByWindow
      var matrices = grouped(
        AttentionMatrices(
          shape, order: Array(shape.indices), extents: isWindowed ? windowed : leading),
        isWindowed: isWindowed)
      if shape[shape.count - 1] == 1 { matrices.columnStride = 0 }
      return Mask(
        input: 3 + index, elementType: description.elementType,
        effect: mask.kind.isBoolean
          ? .hides(where: mask.kind == .hidesWhereTrue, fill: mask.fill) : .adds,
        matrices: matrices)
    }
  }
}
