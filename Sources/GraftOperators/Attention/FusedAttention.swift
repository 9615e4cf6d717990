import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// softmax(scale · Q Kᵀ, changed by masks) V, as exporters spell it out with MatMul and Softmax.
///
/// Inputs are Q `[…, S, K]`, K `[…, T, K]` and V `[…, T, V]`, whose leading axes broadcast as in
/// MatMul, then masks, which broadcast to the scores `[…, S, T]`, and scalars that multiply or
/// divide scores before. Attributes say how the axes of each operand are ordered, as Transpose
/// would, and which place of another axis it is. Scores may be bounded before masks change them,
/// and groups of heads may share keys and values.
///
/// Where the batch consists of windows of images, a mask `[windows, heads, S, T]` may be repeated
/// for each image.
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
    /// Adds a mask of each window to the scores of that window.
    case addsByWindow

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
  /// The bound of scores: softcap · tanh(score / softcap); none if 0.
  let softcap: Float
  /// The number of heads of queries, one after the other, that share one of keys and of values.
  let keySharing: Int
  /// The number of windows of an image; they follow each other along axis 0 of the scores.
  let windowCount: Int
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
    softcap = try attributes.value(.attentionSoftcap) ?? 0
    guard softcap >= 0 else { throw GraftError.badData("the bound of scores is \(softcap)") }
    keySharing = try attributes.value(.keySharing) ?? 1
    windowCount = try attributes.value(.windowCount) ?? 1
    guard keySharing > 0, windowCount > 0 else {
      throw GraftError.badData("\(keySharing) heads share keys, of \(windowCount) windows")
    }
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

  /// Shapes of operands whose axes are in the logical order; each head of queries has keys.
  struct Shapes {
    let query: [Dimension]
    let key: [Dimension]
    let value: [Dimension]
    /// `[…, S, T]`
    let scores: [Dimension]
    /// The leading axes of the output.
    let leading: [Dimension]
  }

  /// - Parameter inputs: the shapes of all inputs
  func shapes(_ inputs: [[Dimension]]) throws -> Shapes {
    let (query, key, value) = (
      try logicalShape(0, inputs[0]), try logicalShape(1, inputs[1]), try logicalShape(2, inputs[2])
    )
    var addends = [
      Array(query.dropLast()) + [1], Array(key.dropLast(2)) + [1, key[key.count - 2]],
    ]
    for (mask, shape) in zip(masks, inputs.dropFirst(3)) where !mask.kind.isScalar {
      addends.append(mask.kind == .addsByWindow ? try windowShape(shape) : shape)
    }
    let scores = try broadcast(addends)
    let leading = try broadcast([Array(scores.dropLast(2)), Array(value.dropLast(2))])
    if windowCount > 1 || masks.contains(where: { $0.kind == .addsByWindow }) {
      guard scores.count == 4, leading.count == 2, (leading[0].known ?? 0) % windowCount == 0 else {
        throw GraftError.badData("scores of \(windowCount) windows have shape \(scores)")
      }
    }
    return Shapes(query: query, key: key, value: value, scores: scores, leading: leading)
  }

  /// What a mask `[windows, heads, S, T]`, or `[1, windows, heads, S, T]`, adds to one window.
  private func windowShape(_ mask: [Dimension]) throws -> [Dimension] {
    guard mask.count == 4 || mask.count == 5 && (mask[0].known ?? 1) == 1,
      (mask[mask.count - 4].known ?? windowCount) == windowCount
    else { throw GraftError.badData("the mask of \(windowCount) windows has shape \(mask)") }
    return [1] + mask.suffix(3)
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
      } else if try context.elementType(3 + index) != .float || type == .double {
        // Exporters compute scores of narrow types in floats.
        try context.requireSameElementType([0, 3 + index])
      }
      if mask.kind.isScalar { try context.requireOneElement(3 + index) }
    }
    let shapes = try shapes((0..<context.inputCount).map { try context.shape($0) })
    try requireEqual(shapes.query[shapes.query.count - 1], shapes.key[shapes.key.count - 1], "K")
    try requireEqual(
      shapes.scores[shapes.scores.count - 1], shapes.value[shapes.value.count - 2], "T")
    let logical =
      shapes.leading + [
        shapes.scores[shapes.scores.count - 2], shapes.value[shapes.value.count - 1],
      ]
    if let outputOrder, outputOrder.count != logical.count {
      throw GraftError.badData("the output has rank \(logical.count)")
    }
    context.setOutput(0, type, outputOrder.map { order in order.map { logical[$0] } } ?? logical)
  }

  private func logicalShape(_ index: Int, _ shape: [Dimension]) throws -> [Dimension] {
    let pick = picks[index]
    let order = order(index, rank: shape.count)
    guard order.count >= 2, order.count + (pick == nil ? 0 : 1) == shape.count else {
      throw GraftError.badData("input \(index) has shape \(shape)")
    }
    if let pick, let extent = shape[pick.axis].known, pick.index >= extent {
      throw GraftError.badData("index \(pick.index) is not within axis \(pick.axis) of \(shape)")
    }
    var logical = order.map { shape[$0] }
    guard keySharing > 1, index > 0 else { return logical }
    guard logical.count > 2 else {
      throw GraftError.badData("input \(index) has shape \(shape), without heads to share")
    }
    let heads = logical.count - 3
    logical[heads] = try logical[heads].map { extent in
      let (count, overflow) = extent.multipliedReportingOverflow(by: keySharing)
      guard !overflow else { throw GraftError.badData("the heads are too many") }
      return count
    }
    return logical
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
      OperatorExample(
        "bounded scores", attributes: ["scale": .float(0.5), "softcap": .float(0.75)],
        inputs: [query, key, value],
        outputs: [.floats([3.16659898, 4.16659898, 2.33529698, 3.33529698, 3, 4], [1, 3, 2])]),
      OperatorExample(
        "two heads share one of keys", attributes: ["key_sharing": .int(2)],
        inputs: [
          .floats([1, 0, -1, 2, 0.5, 1, 0.25, -0.5], [1, 4, 1, 2]),
          .floats([1, 0, 2, 1, -1, 0.5, 0.5, 1], [1, 2, 2, 2]),
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              2.46211716, 3.46211716, 2.46211716, 3.46211716, 6.55459972, 7.55459972, 6.06241875,
              7.06241875,
            ], [1, 4, 1, 2])
        ]),
      OperatorExample(
        "a mask for each of two windows",
        attributes: [
          "window_count": .int(2), "mask_kinds": .ints([5]), "mask_fills": .floats([0]),
        ],
        inputs: [
          .floats([1, 0, -1, 2, 0.5, 1, 0.25, -0.5], [4, 1, 1, 2]),
          .floats([1, 0, 2, 1, -1, 0.5, 0.5, 1, 1, 1, 0, -1, 2, 0.5, -1, -1], [4, 1, 2, 2]),
          .floats((1...16).map { Float($0) }, [4, 1, 2, 2]),
          .floats([0, -1, 2, 0.5], [1, 2, 1, 1, 2]),
        ],
        outputs: [
          .floats(
            [2, 3, 5.23840584, 6.23840584, 9.05862446, 10.0586245, 13.364851, 14.364851],
            [4, 1, 1, 2])
        ]),
    ]
  }
}

extension AttributeKey<Float> {
  /// What scores are multiplied by.
  package static var attentionScale: Self { Self("scale") }
  /// The bound of scores.
  package static var attentionSoftcap: Self { Self("softcap") }
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

extension AttributeKey<Int> {
  /// The number of heads of queries that share one of keys.
  package static var keySharing: Self { Self("key_sharing") }
  /// The number of windows of an image.
  package static var windowCount: Self { Self("window_count") }
}

extension AttributeKey<[Float]> {
  /// What masks put in the place of scores.
  package static var maskFills: Self { Self("mask_fills") }
}

extension AttributeKey<Bool> {
  /// Whether weights that are not numbers count as 0.
  package static var zeroesNaN: Self { Self("zeroes_nan") }
}
