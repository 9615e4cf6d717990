import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// The way from the last product of an attention back to the first one.
extension AttentionFinder {
  struct Mask {
    let value: ValueID
    let kind: FusedAttention.MaskKind
    var fill: Float = 0
  }

  /// What scores are computed of.
  struct Scores {
    var query: ValueID
    /// The transposed keys.
    var key: ValueID
    var scale = 1.0
    /// Scalars that are computed.
    var scalars: [Mask] = []
    /// The bound of scores; none if 0.
    var softcap: Float = 0
    /// In the order in which they apply.
    var masks: [Mask] = []
    /// The number of windows that have masks of their own.
    var windowCount: Int?
    var zeroesNaN = false
  }

  /// What lies between Softmax and a value on the way to the product.
  private struct Way {
    /// Whether scaling comes next, before which nothing may be added.
    var isScaled = false
    /// The last one first.
    var masks: [Mask] = []
    /// `[windows, heads, S, T]` of scores whose batch is split into images and windows.
    var windows: [Int]?
    var windowCount: Int?
    /// The nodes that were passed.
    var count = 0

    /// Far more than exporters write; a hostile file may have any number.
    static let limit = 32
  }

  /// What the weights of values are computed of, if by a Softmax over keys.
  func scores(_ weights: ValueID) throws -> Scores? {
    guard counts[weights] == 1 else { return nil }
    var weights = weights
    // Softmax in float, rounded before or after the guard.
    if let wide = beforeCast(weights, isWidening: false) { weights = wide }
    // One exporter widens the weights instead of the scores, and takes that back.
    if let narrow = beforeCast(weights, isWidening: true) { weights = narrow }
    let guarded = try guarded(weights)
    if let guarded {
      weights = guarded
      if let wide = beforeCast(weights, isWidening: false, readers: 2) { weights = wide }
    }
    guard let node = producer(weights), let softmax = try node.operation(as: Softmax.self),
      let input = node.inputs[0], let rank = graph.rank(input), rank >= 2,
      softmax.axis == -1 || softmax.axis == rank - 1
    else { return nil }
    var scores = try scores(behind: input, Way())
    scores?.zeroesNaN = guarded != nil
    return scores
  }

  /// The input of a Cast from a narrow type to float, or the other way around.
  ///
  /// - Parameter readers: the number of readers that the result may have; any if `nil`
  func beforeCast(_ value: ValueID, isWidening: Bool, readers: Int? = 1) -> ValueID? {
    guard let node = producer(value), node.is(Cast.self), let input = node.inputs[0],
      readers == nil || counts[value] == readers
    else { return nil }
    let (narrow, wide) = isWidening ? (input, value) : (value, input)
    guard [.float16, .bfloat16].contains(graph.elementType(narrow)),
      graph.elementType(wide) == .float
    else { return nil }
    return input
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
  private func scores(behind value: ValueID, _ steps: Way) throws -> Scores? {
    guard steps.count < Way.limit, counts[value] == 1, let node = producer(value) else {
      return nil
    }
    var way = steps
    way.count += 1
    if node.is(MatMul.self) {
      guard let query = node.inputs[0], let key = node.inputs[1], way.windows == nil else {
        return nil
      }
      return Scores(
        query: query, key: key, masks: way.masks.reversed(), windowCount: way.windowCount)
    }
    if let input = beforeCast(value, isWidening: true) { return try scores(behind: input, way) }
    if node.is(Reshape.self) { return try scores(behindReshape: node, way) }
    var scaled = way
    scaled.isScaled = true
    if !way.isScaled, let (input, softcap) = try capping(node) {
      var scores = try scores(behind: input, scaled)
      scores?.softcap = softcap
      scores?.scale *= Double(softcap)
      return scores
    }
    if let (input, factor) = try scaling(node) {
      var scores = try scores(behind: input, scaled)
      scores?.scale *= Double(factor)
      return scores
    }
    if let (input, scalar) = computedScaling(node) {
      var scores = try scores(behind: input, scaled)
      scores?.scalars.append(scalar)
      return scores
    }
    guard !way.isScaled, way.masks.count < 4 else { return nil }
    if node.is(Add.self) {
      for (input, mask) in pairs(node, isSymmetric: true) {
        guard let kind = maskKind(mask, way) else { continue }
        var masked = way
        masked.masks.append(Mask(value: mask, kind: kind))
        if let found = try scores(behind: input, masked) { return found }
      }
    } else if node.is(Where.self), let condition = node.inputs[0], way.windows == nil {
      for (input, other, kind) in [
        (1, 2, FusedAttention.MaskKind.hidesWhereFalse), (2, 1, .hidesWhereTrue),
      ] {
        guard let input = node.inputs[input], let fill = try scalar(node.inputs[other], like: input)
        else { continue }
        var masked = way
        masked.masks.append(Mask(value: condition, kind: kind, fill: fill))
        return try scores(behind: input, masked)
      }
    }
    return nil
  }

  // MARK: Windows

  /// Walks on behind a Reshape, which splits the batch into images and windows, or takes that back.
  private func scores(behindReshape node: Node, _ way: Way) throws -> Scores? {
    guard let input = node.inputs[0], let output = node.outputs[0],
      let from = terms.extents(input), let to = terms.extents(output)
    else { return nil }
    var next = way
    if let windows = way.windows {
      // The batch follows from the number of elements.
      guard from.count == 4, to.count == 5,
        to.dropFirst().elementsEqual(windows.map { ExtentTerms.Term.known($0) }),
        from.dropFirst().elementsEqual(windows.dropFirst().map { ExtentTerms.Term.known($0) })
      else { return nil }
      next.windows = nil
      next.windowCount = windows[0]
    } else {
      guard way.windowCount == nil, from.count == 5, to.count == 4,
        let windows = knownExtents(from.dropFirst()), !windows.contains(where: { $0 < 1 }),
        to.dropFirst().elementsEqual(from.dropFirst(2))
      else { return nil }
      next.windows = windows
    }
    return try scores(behind: input, next)
  }

  /// The extents, if all are known.
  private func knownExtents(_ terms: ArraySlice<ExtentTerms.Term>) -> [Int]? {
    let known = terms.compactMap { term -> Int? in
      if case .known(let extent) = term { extent } else { nil }
    }
    return known.count == terms.count ? known : nil
  }

  /// How a mask is added to scores; `nil` if it is not known how.
  private func maskKind(_ mask: ValueID, _ way: Way) -> FusedAttention.MaskKind? {
    guard let windows = way.windows else { return .adds }
    guard let terms = terms.extents(mask), let shape = knownExtents(terms[...]),
      zip(shape.reversed(), windows.reversed()).allSatisfy({ $0 == 1 || $0 == $1 })
    else { return nil }
    if shape.count <= 3 { return .adds }
    guard shape.count == 4 || shape.count == 5 && shape[0] == 1 else { return nil }
    return shape[shape.count - 4] == windows[0] ? .addsByWindow : nil
  }

  // MARK: Scaling

  /// The input of Tanh and the factor after it.
  private func capping(_ node: Node) throws -> (ValueID, Float)? {
    if node.is(Tanh.self) { return node.inputs[0].map { ($0, 1) } }
    guard let (bounded, factor) = try scaling(node), factor > 0, counts[bounded] == 1,
      let tanh = producer(bounded), tanh.is(Tanh.self), let input = tanh.inputs[0]
    else { return nil }
    return (input, factor)
  }

  /// The two inputs of a node, and the other way around.
  private func pairs(_ node: Node, isSymmetric: Bool) -> [(ValueID, ValueID)] {
    guard node.inputs.count == 2, let left = node.inputs[0], let right = node.inputs[1] else {
      return []
    }
    return isSymmetric ? [(left, right), (right, left)] : [(left, right)]
  }

  /// The input of a node that multiplies or divides by a computed scalar, and the scalar.
  func computedScaling(_ node: Node) -> (ValueID, Mask)? {
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
  func scaling(_ node: Node) throws -> (ValueID, Float)? {
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
}
