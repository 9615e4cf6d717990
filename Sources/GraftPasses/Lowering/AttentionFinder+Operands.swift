import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// The way from products back to queries, keys and values.
extension AttentionFinder {
  /// An input of the new node: its axes in order are those of the matrices.
  struct Operand {
    var value: ValueID
    var order: [Int]
    /// The place of another axis that it is.
    var pick: (axis: Int, index: Int)?
    var scale = 1.0
    /// Scalars that are computed.
    var scalars: [Mask] = []
    /// The number of heads of queries that share one of it.
    var sharing = 1
    /// Nodes that compute it.
    var nodes: [Node] = []

    init(_ value: ValueID, order: [Int]) {
      self.value = value
      self.order = order
    }

    var rank: Int { order.count + (pick == nil ? 0 : 1) }

    /// `nil` if the axes need no other order.
    var permutation: [Int]? {
      order == (0..<rank).filter { $0 != pick?.axis } ? nil : order
    }
  }

  /// What an operand may consist of.
  private struct Form {
    let type: ElementType
    var mayTranspose = false
    var mayScale = true
    var mayShare = false
  }

  /// Queries, keys and values of one type; `nil` if a kernel cannot read them.
  mutating func operands(
    _ scores: Scores, _ values: ValueID, _ type: ElementType
  ) throws -> [Operand]? {
    guard let queryRank = graph.rank(scores.query), queryRank >= 2,
      let keyRank = graph.rank(scores.key), keyRank >= 2,
      let valueRank = graph.rank(values), valueRank >= 2
    else { return nil }
    let query = try operand(scores.query, Array(0..<queryRank), Form(type: type))
    let order = Array(0..<keyRank - 2) + [keyRank - 1, keyRank - 2]
    var form = Form(type: type, mayTranspose: true, mayShare: true)
    var valueForm = form
    valueForm.mayScale = false
    var key = try operand(scores.key, order, form)
    var value = try operand(values, Array(0..<valueRank), valueForm)
    if key.sharing != value.sharing {
      (form.mayShare, valueForm.mayShare) = (false, false)
      key = try operand(scores.key, order, form)
      value = try operand(values, Array(0..<valueRank), valueForm)
    }
    let operands = [query, key, value]
    guard graph.constants[key.value] == nil, graph.constants[value.value] == nil,
      operands.allSatisfy({ graph.elementType($0.value) == type })
    else { return nil }
    return operands
  }

  /// Walks from an operand of a product up through Transposes, parts of a tensor, scaling, and
  /// Casts to float.
  private mutating func operand(
    _ value: ValueID, _ order: [Int], _ form: Form
  ) throws -> Operand {
    var operand = Operand(value, order: order)
    // The farthest that a kernel can read.
    var found = operand
    while let node = producer(operand.value) {
      if form.mayScale, let (input, factor) = try scaling(node) {
        operand.value = input
        operand.scale *= Double(factor)
      } else if form.mayScale, let (input, scalar) = computedScaling(node) {
        operand.value = input
        operand.scalars.append(scalar)
      } else if let permutation = try node.operation(as: Transpose.self)?.permutation,
        let input = node.inputs[0], permutation.count == operand.rank
      {
        operand.value = input
        operand.order = operand.order.map { permutation[$0] }
        if let pick = operand.pick { operand.pick = (permutation[pick.axis], pick.index) }
      } else if operand.pick == nil, let (input, axis, index) = try picked(node, operand.value) {
        operand.value = input
        operand.order = operand.order.map { $0 < axis ? $0 : $0 + 1 }
        operand.pick = (axis, index)
      } else if form.mayShare, operand.sharing == 1, operand.pick == nil,
        operand.order.count > 2,
        let (input, count) = try repeated(node, axis: operand.order[operand.order.count - 3])
      {
        operand.value = input
        operand.sharing = count
      } else if operand.pick == nil, let input = transposedMatrices(node) {
        // The last two axes change places.
        operand.value = input
        let last = operand.rank - 1
        operand.order = operand.order.map { $0 < last - 1 ? $0 : 2 * last - 1 - $0 }
      } else if form.type != .float,
        let input = beforeCast(operand.value, isWidening: true, readers: nil),
        graph.elementType(input) == form.type
      {
        operand.value = input
      } else if form.mayScale, node.is(Reshape.self), counts[operand.value] == 1,
        let scaled = node.inputs[0], counts[scaled] == 1, let product = producer(scaled),
        let (input, factor) = try scaling(product)
      {
        var reshape = node
        reshape.inputs[0] = input
        let result = graph.addValue(type: graph[operand.value].type)
        reshape.outputs = [result]
        operand.nodes.append(reshape)
        operand.value = result
        operand.scale *= Double(factor)
      } else {
        break
      }
      let allows = FusedAttention.allows(
        operand.order, rank: operand.rank, mayTranspose: form.mayTranspose)
      if allows, graph.elementType(operand.value) == form.type { found = operand }
    }
    return found
  }

  /// The tensor whose places of an axis a node repeats one by one, and how often: for each head of
  /// keys, those of the queries that share it.
  ///
  /// Exporters write Unsqueeze, Expand along the new axis, and Reshape, which makes one of both.
  private func repeated(
    _ node: Node, axis: Int
  ) throws -> (tensor: ValueID, count: Int)? {
    guard node.is(Reshape.self), let output = node.outputs[0],
      let expand = producer(node.inputs[0]),
      expand.is(Expand.self), let unsqueeze = producer(expand.inputs[0]),
      unsqueeze.is(Unsqueeze.self), let tensor = unsqueeze.inputs[0],
      let from = terms.extents(tensor), let to = terms.extents(output), to.count == from.count,
      try graph.constant(unsqueeze.inputs[1])?.integers() == [axis + 1],
      let target = expand.inputs[1],
      graph[target].type?.tensor?.shape == [.known(from.count + 1)],
      case .known(let count)? = terms.entry(target, axis + 1), count > 1
    else { return nil }
    for place in from.indices {
      let expanded = terms.entry(target, place <= axis ? place : place + 1)
      // The extent of the axis follows from the others.
      guard expanded == from[place] || expanded == .known(1),
        place == axis || to[place] == from[place]
      else { return nil }
    }
    return (tensor, count)
  }

  /// The tensor whose last two axes change places, by a Transpose between Reshapes that make one
  /// axis of all others and take that back.
  private func transposedMatrices(_ node: Node) -> ValueID? {
    guard node.is(Reshape.self), let output = node.outputs[0],
      let transpose = producer(node.inputs[0]),
      let permutation = try? transpose.operation(as: Transpose.self)?.permutation,
      permutation == [0, 2, 1], let merged = transpose.inputs[0], let reshape = producer(merged),
      reshape.is(Reshape.self), let tensor = reshape.inputs[0],
      let from = terms.extents(tensor), let middle = terms.extents(merged),
      let to = terms.extents(output), from.count > 2, to.count == from.count,
      middle.suffix(2).elementsEqual(from.suffix(2)),
      to.dropLast(2).elementsEqual(from.dropLast(2)),
      to.suffix(2).elementsEqual(from.suffix(2).reversed())
    else { return nil }
    return tensor
  }

  /// The tensor of which a node picks one place of an axis, by Gather, or by Squeeze after Split or
  /// Slice.
  private func picked(
    _ node: Node, _ value: ValueID
  ) throws -> (tensor: ValueID, axis: Int, index: Int)? {
    func extents(_ id: ValueID?) -> [Int?]? {
      id.flatMap { graph[$0].type?.tensor?.shape?.map(\.known) }
    }
    if let gather = try node.operation(as: Gather.self) {
      guard let tensor = node.inputs[0], let shape = extents(tensor),
        let place = graph.constant(node.inputs[1]), place.rank == 0
      else { return nil }
      let axis = try normalizedAxis(gather.axis, rank: shape.count)
      let index = try place.integers()[0]
      guard let extent = shape[axis], (-extent..<extent).contains(index) else { return nil }
      return (tensor, axis, index < 0 ? index + extent : index)
    }
    guard node.is(Squeeze.self), node.inputs.count == 2, let part = node.inputs[0],
      let axes = try graph.constant(node.inputs[1])?.integers(), axes.count == 1,
      let producer = producers[part], let tensor = graph.nodes[producer].inputs[0],
      let shape = extents(tensor), let axis = try? normalizedAxis(axes[0], rank: shape.count),
      extents(part)?[axis] == 1
    else { return nil }
    let source = graph.nodes[producer]
    if let split = try source.operation(as: Split.self) {
      guard try normalizedAxis(split.axis, rank: shape.count) == axis,
        let index = source.outputs.firstIndex(of: part),
        source.outputs[..<index].allSatisfy({ extents($0)?[axis] == 1 })
      else { return nil }
      return (tensor, axis, index)
    }
    // A Slice along this axis alone.
    guard source.is(Slice.self), source.inputs.count > 3, let extent = shape[axis],
      let sliced = try graph.constant(source.inputs[3])?.integers(), sliced.count == 1,
      try normalizedAxis(sliced[0], rank: shape.count) == axis,
      let start = try graph.constant(source.inputs[1])?.integers().first,
      (-extent..<extent).contains(start)
    else { return nil }
    return (tensor, axis, start < 0 ? start + extent : start)
  }
}
