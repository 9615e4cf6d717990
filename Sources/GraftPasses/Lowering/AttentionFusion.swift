import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Recognizes attention that exporters spell out, and computes it by one node that never writes all
/// scores: MatMul, scaling by scalars, masks that are added or select (Where), Softmax over keys,
/// the guard against rows of NaN, and MatMul.
///
/// Scaled queries and keys, and Transposes before and after, become part of the node. If another
/// node reads scores or weights, they are computed as before. Constant keys or values are weights,
/// which products read packed.
package enum AttentionFusion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { $0.is(Softmax.self) }) else { return false }
    var finder = AttentionFinder(graph)
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    for index in graph.nodes.indices {
      if let others = finder.replaced[index] {
        nodes += others
      } else {
        nodes += try finder.attention(endingAt: index) ?? [graph.nodes[index]]
      }
    }
    guard finder.didChange else { return false }
    graph = finder.graph
    graph.nodes = nodes
    return true
  }
}

/// Finds attention by its last product.
private struct AttentionFinder {
  private(set) var graph: Graph
  private(set) var didChange = false
  /// What takes the place of nodes after an attention.
  private(set) var replaced: [Int: [Node]] = [:]
  private let producers: [ValueID: Int]
  private let consumers: [ValueID: [Int]]
  private let counts: [ValueID: Int]

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers()
    consumers = graph.consumers()
    counts = graph.useCounts()
  }

  private struct Mask {
    let value: ValueID
    let kind: FusedAttention.MaskKind
    var fill: Float = 0
  }

  /// What scores are computed of.
  private struct Scores {
    var query: ValueID
    /// The transposed keys.
    var key: ValueID
    var scale: Float = 1
    /// Scalars that are computed.
    var scalars: [Mask] = []
    /// In the order in which they apply.
    var masks: [Mask] = []
    var zeroesNaN = false
  }

  /// An input of the new node: its axes in order are those of the matrices.
  private struct Operand {
    var value: ValueID
    var order: [Int]
    /// The place of another axis that it is.
    var pick: (axis: Int, index: Int)?
    var scale: Float = 1
    /// Scalars that are computed.
    var scalars: [Mask] = []
    /// Nodes that compute it.
    var nodes: [Node] = []

    var rank: Int { order.count + (pick == nil ? 0 : 1) }

    /// `nil` if the axes need no other order.
    var permutation: [Int]? {
      order == (0..<rank).filter { $0 != pick?.axis } ? nil : order
    }
  }

  /// The nodes in the place of a MatMul that ends an attention; `nil` if it does not.
  mutating func attention(endingAt index: Int) throws -> [Node]? {
    let node = graph.nodes[index]
    guard node.is(MatMul.self), let weights = node.inputs[0], let values = node.inputs[1],
      var output = node.outputs[0], graph.elementType(output)?.isFloatingPoint == true,
      let valueRank = graph.rank(values), valueRank >= 2, let scores = try scores(weights),
      let queryRank = graph.rank(scores.query), queryRank >= 2,
      let keyRank = graph.rank(scores.key), keyRank >= 2
    else { return nil }
    let query = try operand(scores.query, Array(0..<queryRank))
    let transposed = Array(0..<keyRank - 2) + [keyRank - 1, keyRank - 2]
    let key = try operand(scores.key, transposed, mayTranspose: true)
    let value = try operand(values, Array(0..<valueRank), mayTranspose: true, mayScale: false)
    guard graph.constants[key.value] == nil, graph.constants[value.value] == nil else {
      return nil
    }
    let masks = scores.masks + scores.scalars + query.scalars + key.scalars
    guard masks.count <= FusedAttention.maximumMaskCount else { return nil }
    let outputOrder = try takeTranspose(after: output)
    if let outputOrder { output = outputOrder.output }
    var fused = Node(
      name: node.name, operatorType: FusedAttention.schema.name,
      domain: FusedAttention.schema.domain,
      inputs: [query.value, key.value, value.value] + masks.map(\.value),
      outputs: [output])
    fused.set(.attentionScale, scores.scale * query.scale * key.scale)
    let keys: [(Operand, order: AttributeKey<[Int]>, pick: AttributeKey<[Int]>)] = [
      (query, .queryPermutation, .queryPick), (key, .keyPermutation, .keyPick),
      (value, .valuePermutation, .valuePick),
    ]
    for (operand, orderKey, pickKey) in keys {
      if let order = operand.permutation { fused.set(orderKey, order) }
      if let pick = operand.pick { fused.set(pickKey, [pick.axis, pick.index]) }
    }
    if let outputOrder { fused.set(.outputPermutation, outputOrder.permutation) }
    if !masks.isEmpty {
      fused.set(.maskKinds, masks.map(\.kind.rawValue))
      fused.set(.maskFills, masks.map(\.fill))
    }
    if scores.zeroesNaN { fused.set(.zeroesNaN, true) }
    didChange = true
    return query.nodes + key.nodes + [fused]
  }

  private func producer(_ id: ValueID?) -> Node? {
    id.flatMap { producers[$0] }.map { graph.nodes[$0] }
  }

  // MARK: Scores

  /// What the weights of values are computed of, if by a Softmax over keys.
  private func scores(_ weights: ValueID) throws -> Scores? {
    guard counts[weights] == 1 else { return nil }
    let guarded = try guarded(weights)
    let weights = guarded ?? weights
    guard let node = producer(weights), let softmax = try node.operation(as: Softmax.self),
      let input = node.inputs[0], let rank = graph.rank(input), rank >= 2,
      softmax.axis == -1 || softmax.axis == rank - 1
    else { return nil }
    var scores = try scores(behind: input, isScaled: false, masks: [])
    scores?.zeroesNaN = guarded != nil
    return scores
  }

  /// The weights of which Where and IsNaN set those that are not numbers to 0.
  private func guarded(_ value: ValueID) throws -> ValueID? {
    guard let node = producer(value), node.is(Where.self), let weights = node.inputs[2],
      counts[weights] == 2, let test = producer(node.inputs[0]), test.is(IsNaN.self),
      test.inputs[0] == weights, counts[node.inputs[0]!] == 1,
      try scalar(node.inputs[1], like: weights) == 0
    else { return nil }
    return weights
  }

  /// Walks from the input of Softmax to the product of queries and keys.
  ///
  /// - Parameters:
  ///   - isScaled: whether scaling comes next, before which nothing may be added
  ///   - masks: those on the way, the last one first
  private func scores(behind value: ValueID, isScaled: Bool, masks: [Mask]) throws -> Scores? {
    guard counts[value] == 1, let node = producer(value) else { return nil }
    if node.is(MatMul.self) {
      guard let query = node.inputs[0], let key = node.inputs[1] else { return nil }
      return Scores(query: query, key: key, masks: masks.reversed())
    }
    if let (input, factor) = try scaling(node) {
      var scores = try scores(behind: input, isScaled: true, masks: masks)
      scores?.scale *= factor
      return scores
    }
    if let (input, scalar) = computedScaling(node) {
      var scores = try scores(behind: input, isScaled: true, masks: masks)
      scores?.scalars.append(scalar)
      return scores
    }
    guard !isScaled, masks.count < 4 else { return nil }
    if node.is(Add.self) {
      for (input, mask) in pairs(node, isSymmetric: true) {
        let found = try scores(
          behind: input, isScaled: false, masks: masks + [Mask(value: mask, kind: .adds)])
        if let found { return found }
      }
    } else if node.is(Where.self), let condition = node.inputs[0] {
      for (input, other, kind) in [
        (1, 2, FusedAttention.MaskKind.hidesWhereFalse), (2, 1, .hidesWhereTrue),
      ] {
        guard let input = node.inputs[input], let fill = try scalar(node.inputs[other], like: input)
        else { continue }
        let mask = Mask(value: condition, kind: kind, fill: fill)
        return try scores(behind: input, isScaled: false, masks: masks + [mask])
      }
    }
    return nil
  }

  /// The two inputs of a node, and the other way around.
  private func pairs(_ node: Node, isSymmetric: Bool) -> [(ValueID, ValueID)] {
    guard node.inputs.count == 2, let left = node.inputs[0], let right = node.inputs[1] else {
      return []
    }
    return isSymmetric ? [(left, right), (right, left)] : [(left, right)]
  }

  /// The input of a node that multiplies or divides by a computed scalar, and the scalar.
  private func computedScaling(_ node: Node) -> (ValueID, Mask)? {
    guard node.is(Mul.self) || node.is(Div.self) else { return nil }
    for (input, scalar) in pairs(node, isSymmetric: node.is(Mul.self)) {
      guard let shape = graph[scalar].type?.tensor?.shape, shape.allSatisfy({ $0 == 1 }),
        let rank = graph.rank(input), shape.count < rank
      else { continue }
      return (input, Mask(value: scalar, kind: node.is(Div.self) ? .divides : .multiplies))
    }
    return nil
  }

  /// A constant of one element, which does not change the shape of `value` and is a float.
  private func scalar(_ id: ValueID?, like value: ValueID) throws -> Float? {
    guard let constant = graph.constant(id), constant.elementCount == 1,
      constant.elementType.isFloatingPoint, let rank = graph.rank(value), constant.rank <= rank
    else { return nil }
    let number = try constant.doubles()[0]
    return constant.elementType != .double || Double(Float(number)) == number
      ? Float(number) : nil
  }

  /// The input and the factor of a node that multiplies or divides by a constant.
  private func scaling(_ node: Node) throws -> (ValueID, Float)? {
    guard node.is(Mul.self) || node.is(Div.self) else { return nil }
    for (input, scalar) in pairs(node, isSymmetric: node.is(Mul.self)) {
      guard let number = try self.scalar(scalar, like: input) else { continue }
      let factor = node.is(Div.self) ? 1 / number : number
      let isExact =
        graph.elementType(input) != .double || !node.is(Div.self)
        || number.significandBitPattern == 0
      guard factor.isNormal, isExact else { return nil }
      return (input, factor)
    }
    return nil
  }

  // MARK: Operands

  /// Walks from an operand of a product up through Transposes, parts of a tensor, and scaling.
  private mutating func operand(
    _ value: ValueID, _ order: [Int], mayTranspose: Bool = false, mayScale: Bool = true
  ) throws -> Operand {
    var operand = Operand(value: value, order: order)
    // The farthest that a kernel can read.
    var found = operand
    while let node = producer(operand.value) {
      if mayScale, let (input, factor) = try scaling(node) {
        operand.value = input
        operand.scale *= factor
      } else if mayScale, let (input, scalar) = computedScaling(node) {
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
      } else if mayScale, node.is(Reshape.self), counts[operand.value] == 1,
        let scaled = node.inputs[0], counts[scaled] == 1, let product = producer(scaled),
        let (input, factor) = try scaling(product)
      {
        var reshape = node
        reshape.inputs[0] = input
        let result = graph.addValue(type: graph[operand.value].type)
        reshape.outputs = [result]
        operand.nodes.append(reshape)
        operand.value = result
        operand.scale *= factor
      } else {
        break
      }
      if FusedAttention.allows(operand.order, rank: operand.rank, mayTranspose: mayTranspose) {
        found = operand
      }
    }
    return found
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

  /// Takes away the Transpose that reads a value, if attention can write its output.
  ///
  /// Nodes that read the shape of the value, as exporters with dynamic axes do, follow from that of
  /// the output.
  private mutating func takeTranspose(
    after value: ValueID
  ) throws -> (permutation: [Int], output: ValueID)? {
    let readers = consumers[value] ?? []
    guard readers.count == counts[value] else { return nil }
    var transpose: (index: Int, permutation: [Int], output: ValueID)?
    var shapes: [Int] = []
    for index in readers {
      let node = graph.nodes[index]
      if transpose == nil, let order = try node.operation(as: Transpose.self)?.permutation,
        let output = node.outputs[0]
      {
        transpose = (index, order, output)
      } else if let shape = try node.operation(as: ShapeOperator.self), shape.start == 0,
        shape.end == nil
      {
        shapes.append(index)
      } else {
        return nil
      }
    }
    guard let transpose, let rank = graph.rank(value), rank == transpose.permutation.count,
      rank >= 2, transpose.permutation.last == rank - 1
    else { return nil }
    replaced[transpose.index] = []
    for index in shapes {
      let places = FusedAttention.inverse(transpose.permutation).map(Int64.init)
      let order = graph.addConstant(try Tensor(places, shape: [rank]))
      let extents = graph.addValue(type: .tensor(TensorType(.int64, [.known(rank)])))
      replaced[index] = [
        Node(operatorType: "Shape", inputs: [transpose.output], outputs: [extents]),
        Node(
          operatorType: "Gather", inputs: [extents, order], outputs: graph.nodes[index].outputs),
      ]
    }
    return (transpose.permutation, transpose.output)
  }
}
