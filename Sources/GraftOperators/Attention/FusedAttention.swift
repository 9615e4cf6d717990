import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// softmax(scale · Q Kᵀ, changed by masks) V, as exporters spell it out with MatMul and Softmax.
///
/// Inputs are Q `[…, S, K]`, K `[…, T, K]` and V `[…, T, V]`, whose leading axes broadcast as in
/// MatMul, then masks, which broadcast to the scores `[…, S, T]`, and scalars that multiply or
/// divide scores before. Attributes say how the axes of
/// each operand are ordered, as Transpose would, and which place of another axis it is.
///
/// Where ``Attention`` gives zeros for queries that see no key, this operator gives NaN as Softmax
/// does, unless it `zeroes_nan`.
package struct FusedAttention: Operator {
  package static let schema = OperatorSchema(
    "FusedAttention", domain: "graft", since: [1], inputs: 3...3 + maximumMaskCount)
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds

  package static let maximumMaskCount = 8

  /// What an input from 3 on does to scores.
  package enum MaskKind: Int, Sendable {
    case adds, hidesWhereTrue, hidesWhereFalse, multiplies, divides

    var isBoolean: Bool { self == .hidesWhereTrue || self == .hidesWhereFalse }
    var isScalar: Bool { self == .multiplies || self == .divides }
  }

  struct Mask: Sendable {
    let kind: MaskKind
    /// What a mask that hides scores puts in their place.
    let fill: Float
  }

  /// The place of an axis that an operand is, as Gather would pick it.
  struct Pick: Sendable {
    let axis: Int
    let index: Int
  }

  let scale: Float
  /// The axes of Q, K and V that are […, S, K], […, T, K] and […, T, V]; `nil` for their own order.
  let orders: [[Int]?]
  let picks: [Pick?]
  /// The axes of […, S, V] that are those of the output.
  let outputOrder: [Int]?
  /// One for each input from 3 on.
  let masks: [Mask]
  let zeroesNaN: Bool

  package init(_ attributes: AttributeReader) throws {
    scale = try attributes.value(.attentionScale) ?? 1
    let keys: [AttributeKey<[Int]>] = [.queryPermutation, .keyPermutation, .valuePermutation]
    let orders = try keys.map { try attributes.value($0) }
    let pickKeys: [AttributeKey<[Int]>] = [.queryPick, .keyPick, .valuePick]
    let picks = try pickKeys.map { key -> Pick? in
      guard let pick = try attributes.value(key) else { return nil }
      guard pick.count == 2, pick[0] >= 0, pick[1] >= 0 else {
        throw GraftError.badData("a place is \(pick)")
      }
      return Pick(axis: pick[0], index: pick[1])
    }
    let outputOrder = try attributes.value(.outputPermutation)
    for (order, pick) in zip(orders + [outputOrder], picks + [nil]) {
      guard let order else { continue }
      let axes = (order + (pick.map { [$0.axis] } ?? [])).sorted()
      guard order.count >= 2, axes == Array(axes.indices) else {
        throw GraftError.badData("a permutation is \(order)")
      }
    }
    self.orders = orders
    self.picks = picks
    self.outputOrder = outputOrder
    let kinds = try attributes.value(.maskKinds) ?? []
    let fills = try attributes.value(.maskFills) ?? []
    guard kinds.count == fills.count, kinds.count <= Self.maximumMaskCount else {
      throw GraftError.badData("has \(kinds.count) kinds of masks and \(fills.count) fills")
    }
    masks = try zip(kinds, fills).map { kind, fill in
      guard let kind = MaskKind(rawValue: kind) else {
        throw GraftError.badData("there is no mask of kind \(kind)")
      }
      return Mask(kind: kind, fill: fill)
    }
    zeroesNaN = try attributes.value(.zeroesNaN) ?? false
  }

  /// Whether a kernel can read operands with their axes in this order.
  ///
  /// - Parameters:
  ///   - rank: that of the operand
  ///   - mayTranspose: whether the last two axes may also be the other way around
  package static func allows(_ order: [Int], rank: Int, mayTranspose: Bool) -> Bool {
    order[order.count - 1] == rank - 1
      || mayTranspose && order[order.count - 2] == rank - 1
        && order[order.count - 1] == rank - 2
  }

  /// The axes of an operand of this rank that are those of its matrices.
  func order(_ index: Int, rank: Int) -> [Int] {
    orders[index] ?? (0..<rank).filter { $0 != picks[index]?.axis }
  }

  /// The permutation that undoes another one.
  package static func inverse(_ order: [Int]) -> [Int] {
    var inverse = order
    for (to, from) in order.enumerated() { inverse[from] = to }
    return inverse
  }

  /// The shape of the scores for Q, K and V in their logical order.
  func scoreShape(_ shapes: [[Dimension]], _ masks: [[Dimension]]) throws -> [Dimension] {
    let (query, key) = (shapes[0], shapes[1])
    return try broadcast(
      [
        Array(query.dropLast()) + [1],
        Array(key.dropLast(2)) + [1, key[key.count - 2]],
      ] + zip(masks, self.masks).filter { !$1.kind.isScalar }.map { $0.0 })
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    let type = try context.elementType(0)
    context.setOutput(0, type, outputOrder.map { $0.map { _ in .unknown } })
    guard context.inputCount == 3 + masks.count else {
      throw GraftError.badData("has \(context.inputCount) inputs and \(masks.count) masks")
    }
    for (index, mask) in masks.enumerated() {
      if mask.kind.isBoolean {
        try context.require(3 + index, [.bool])
      } else {
        try context.requireSameElementType([0, 3 + index])
      }
      if mask.kind.isScalar { try context.requireOneElement(3 + index) }
    }
    let shapes = try (0..<3).map { try logicalShape($0, context) }
    let scores = try scoreShape(shapes, masks.indices.map { try context.shape(3 + $0) })
    let (query, key, value) = (shapes[0], shapes[1], shapes[2])
    try requireEqual(query[query.count - 1], key[key.count - 1], "K")
    try requireEqual(scores[scores.count - 1], value[value.count - 2], "T")
    let leading = try broadcast([Array(scores.dropLast(2)), Array(value.dropLast(2))])
    let logical = leading + [scores[scores.count - 2], value[value.count - 1]]
    if let outputOrder, outputOrder.count != logical.count {
      throw GraftError.badData("the output has rank \(logical.count)")
    }
    context.setOutput(0, type, outputOrder.map { order in order.map { logical[$0] } } ?? logical)
  }

  private func logicalShape(_ index: Int, _ context: InferenceContext) throws -> [Dimension] {
    let shape = try context.shape(index)
    let pick = picks[index]
    let order = order(index, rank: shape.count)
    guard order.count >= 2, order.count + (pick == nil ? 0 : 1) == shape.count else {
      throw GraftError.badData("input \(index) has shape \(shape)")
    }
    if let pick, let extent = shape[pick.axis].known, pick.index >= extent {
      throw GraftError.badData("index \(pick.index) is not within axis \(pick.axis) of \(shape)")
    }
    return order.map { shape[$0] }
  }

  private func requireEqual(_ left: Dimension, _ right: Dimension, _ what: String) throws {
    guard let left = left.known, let right = right.known, left != right else { return }
    throw GraftError.badData("the shapes do not fit: \(what) is \(left) and \(right)")
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    for index in 0..<3 {
      let rank = try context.input(index).rank
      let order = order(index, rank: rank)
      guard Self.allows(order, rank: rank, mayTranspose: index > 0) else {
        throw GraftError.unsupported("axes in the order \(order)")
      }
    }
    switch try context.input(0).elementType {
    case .double: return try AttentionKernel<Double>(self, context).kernel()
    case .float: return try AttentionKernel<Float>(self, context).kernel()
    case let narrow: return try context.converting([narrow], to: .float, prepare)
    }
  }

  package static var examples: [OperatorExample] {
    let query = Tensor.floats([1, 0, -1, 2, 0.5, 1], [1, 3, 2])
    let key = Tensor.floats([1, 1, 0, -1, 2, 0.5], [1, 3, 2])
    let value = Tensor.floats([1, 2, 3, 4, 5, 6], [1, 3, 2])
    let parts = Tensor.floats(
      [1, 0, -1, 2, 0.5, 1, 1, 1, 0, -1, 2, 0.5, 1, 2, 3, 4, 5, 6], [1, 3, 3, 2])
    return [
      OperatorExample(
        "scaled", attributes: ["scale": .float(0.5)], inputs: [query, key, value],
        outputs: [.floats([3.39856901, 4.39856901, 2.20538436, 3.20538436, 3, 4], [1, 3, 2])]),
      OperatorExample(
        "axes in other orders, keys of one head",
        attributes: [
          "query_perm": .ints([0, 2, 1, 3]), "key_perm": .ints([1, 0]),
          "value_perm": .ints([0, 2, 1]), "output_perm": .ints([0, 2, 1, 3]),
        ],
        inputs: [
          .floats([1, 0, -1, 2, 0.5, 1, 0.25, -0.5], [1, 2, 2, 2]),
          .floats([1, 0, 2, 1, -1, 0.5], [2, 3]), .floats([1, 3, 5, 2, 4, 6], [1, 2, 3]),
        ],
        outputs: [
          .floats(
            [
              3.84102497, 4.84102497, 1.54080093, 2.54080093, 3, 4, 3.27224474, 4.27224474,
            ], [1, 2, 2, 2])
        ]),
      OperatorExample(
        "parts of one tensor",
        attributes: [
          "scale": .float(0.5), "query_pick": .ints([1, 0]), "key_pick": .ints([1, 1]),
          "key_perm": .ints([0, 2, 3]), "value_pick": .ints([1, 2]),
        ],
        inputs: [parts, parts, parts],
        outputs: [.floats([3.39856901, 4.39856901, 2.20538436, 3.20538436, 3, 4], [1, 3, 2])]),
      OperatorExample(
        "masks: one added, one that hides; scalars",
        attributes: [
          "scale": .float(0.5), "mask_kinds": .ints([0, 2, 4, 3]),
          "mask_fills": .floats([0, -.infinity, 0, 0]),
        ],
        inputs: [
          query, key, value, .floats([0.5, 0, -1], [3]),
          .bools([true, false, false, true, true, false, true, true, true], [1, 3, 3]),
          .floats([4], []), .floats([8], [1]),
        ], outputs: [.floats([1, 2, 1.05862446, 2.05862446, 1.77938672, 2.77938672], [1, 3, 2])]),
      OperatorExample(
        "a query that sees nothing",
        attributes: [
          "mask_kinds": .ints([1]), "mask_fills": .floats([-.infinity]), "zeroes_nan": .int(1),
        ],
        inputs: [query, key, value, .bools([true, false, false], [3, 1])],
        outputs: [.floats([0, 0, 1.54080093, 2.54080093, 3, 4], [1, 3, 2])]),
    ]
  }
}

extension AttributeKey<Float> {
  /// What scores are multiplied by.
  package static var attentionScale: Self { Self("scale") }
}

extension AttributeKey<[Int]> {
  /// The axes of input 0 that are […, S, K].
  package static var queryPermutation: Self { Self("query_perm") }
  /// The axes of input 1 that are […, T, K].
  package static var keyPermutation: Self { Self("key_perm") }
  /// The axes of input 2 that are […, T, V].
  package static var valuePermutation: Self { Self("value_perm") }
  /// The axes of […, S, V] that are those of the output.
  package static var outputPermutation: Self { Self("output_perm") }
  /// The axis and the place of input 0 that are the queries, and so on.
  package static var queryPick: Self { Self("query_pick") }
  package static var keyPick: Self { Self("key_pick") }
  package static var valuePick: Self { Self("value_pick") }
  /// A ``FusedAttention/MaskKind`` for each input from 3 on.
  package static var maskKinds: Self { Self("mask_kinds") }
}

extension AttributeKey<[Float]> {
  /// What masks put in the place of scores.
  package static var maskFills: Self { Self("mask_fills") }
}

extension AttributeKey<Bool> {
  /// Whether weights that are not numbers count as 0.
  package static var zeroesNaN: Self { Self("zeroes_nan") }
}
