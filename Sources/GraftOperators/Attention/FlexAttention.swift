import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Attention with bodies that change the scores before the softmax, and the probabilities after
/// it: prob_mod(softmax(score_mod(scale · Q Kᵀ))) V, for each head.
///
/// Queries are `[N, heads, S, K]`, keys `[N, H, T, K]`, values `[N, H, T, V]`; several heads of
/// queries may share one of keys. The bodies map `[N, heads, S, T]` to the same shape.
///
/// Without bodies it becomes an Attention; else products, the bodies' nodes and a Softmax.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html>
struct FlexAttention: ExpandedOperator {
  static let schema = OperatorSchema(
    "FlexAttention", domain: OperatorDomain.preview, since: [1], inputs: 3...3)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    var types: [TensorType] = []
    for (index, input) in node.inputs.enumerated() {
      guard let input else { throw GraftError.badData("input \(index) is missing") }
      guard let type = builder.type(input) else {
        throw GraftError.unsupported("needs the types of its inputs, which the model leaves open")
      }
      types.append(type)
    }
    try Self.check(types)
    let elementType = types[0].elementType
    let isNarrow = Set.halfPrecision.contains(elementType)
    let precision =
      try attributes.elementType("softmax_precision") ?? (isNarrow ? .float : elementType)
    guard Set.floatingPoint.contains(precision) else {
      throw GraftError.badData(
        "attribute 'softmax_precision' is \(precision); expected a floating-point type")
    }
    let scoreBody = try body("score_mod")
    let probabilityBody = try body("prob_mod")
    let scale = try attributes.float("scale")
    let isAttention = precision == elementType || (isNarrow && precision == .float)
    if scoreBody == nil, probabilityBody == nil, isAttention {
      node.operatorType = Attention.schema.name
      node.attributes = [:]
      if isNarrow, precision == .float {
        node.attributes["softmax_precision"] = .int(Int(precision.rawValue))
      }
      if let scale { node.attributes["scale"] = .float(scale) }
      return
    }

    var form = SpelledAttention(node.inputs.compactMap { $0 }, types)
    var scores = try form.scores(scale: scale, &builder)
    func cast(_ value: ValueID) throws -> ValueID {
      guard precision != elementType else { return value }
      return try builder.add(
        "Cast", [value], attributes: ["to": .int(Int(precision.rawValue))])
    }
    scores = try cast(scores)
    if let scoreBody { scores = try builder.inline(scoreBody, [scores])[0] }
    var probabilities = try builder.add("Softmax", [scores], attributes: ["axis": .int(-1)])
    if let probabilityBody {
      probabilities = try builder.inline(probabilityBody, [probabilities])[0]
    }
    let last = try form.product(probabilities, try cast(form.values), &builder)
    node.attributes = [:]
    guard precision != elementType else {
      (node.operatorType, node.inputs) = (last.type, last.inputs)
      node.attributes = last.attributes
      return
    }
    node.operatorType = Cast.schema.name
    node.inputs = [
      try builder.add(last.type, last.inputs, attributes: last.attributes)
    ]
    node.attributes = ["to": .int(Int(elementType.rawValue))]
  }

  /// A body with one input and one output; `nil` if there is none.
  private func body(_ name: String) throws -> Graph? {
    guard let body = try attributes.graph(name) else { return nil }
    guard body.inputs.count == 1, body.outputs.count == 1 else {
      throw GraftError.badData(
        "attribute '\(name)' is a graph with \(body.inputs.count) inputs and "
          + "\(body.outputs.count) outputs; expected one of each")
    }
    return body
  }

  /// - Throws: `GraftError` if the inputs do not fit together, as far as that is known
  private static func check(_ types: [TensorType]) throws {
    for (index, type) in types.enumerated() {
      guard Set.floatingPoint.contains(type.elementType) else {
        throw GraftError.badData("input \(index) is \(type); expected a floating-point type")
      }
      guard type.elementType == types[0].elementType else {
        throw GraftError.badData("input \(index) is \(type), input 0 is \(types[0])")
      }
      if let rank = type.shape?.count, rank != 4 {
        throw GraftError.badData("input \(index) is \(type); expected rank 4")
      }
    }
    func requireEqual(_ first: Int, _ second: Int, axis: Int, _ what: String) throws {
      guard let one = types[first].shape?[axis].known, let other = types[second].shape?[axis].known,
        one != other
      else { return }
      throw GraftError.badData("the \(what) differ: \(one) and \(other)")
    }
    try requireEqual(0, 1, axis: 0, "batches of Q and K")
    try requireEqual(0, 2, axis: 0, "batches of Q and V")
    try requireEqual(1, 2, axis: 1, "heads of K and V")
    try requireEqual(1, 2, axis: 2, "lengths of K and V")
    try requireEqual(0, 1, axis: 3, "head sizes of Q and K")
    if let heads = types[0].shape?[1].known, let shared = types[1].shape?[1].known,
      shared == 0 || heads % shared != 0
    {
      throw GraftError.badData("\(heads) heads of Q are not a multiple of \(shared) heads of K")
    }
  }

  /// Expected values from ONNX's reference implementation.
  static var examples: [OperatorExample] {
    let query = Tensor.floats([1, 2, -1, 0.5, 0.25, -2, 1.5, 1], [1, 2, 2, 2])
    let key = Tensor.floats([0.5, 1, -1, 0.25, 2, -0.5], [1, 1, 3, 2])
    let value = Tensor.floats([1, -1, 2, 0.5, -3, 4], [1, 1, 3, 2])
    let negated = Graph.example("negated") { body in
      let scores = body.addInput(name: "scores", type: TensorType(.float, nil))
      return [body.addNode("Neg", [scores])]
    }
    let doubled = Graph.example("doubled") { body in
      let weights = body.addInput(name: "weights", type: TensorType(.float, nil))
      return [body.addNode("Add", [weights, weights])]
    }
    return [
      OperatorExample(
        "shared keys", inputs: [query, key, value],
        outputs: [
          .floats(
            [
              0.13714272, 0.30342075, 1.4096331, 0.26984305, -1.9299578, 3.0948396, -1.3686526,
              2.0777396,
            ], [1, 2, 2, 2])
        ]),
      OperatorExample(
        "both bodies",
        attributes: [
          "score_mod": .graph(negated), "prob_mod": .graph(doubled), "scale": .float(0.5),
        ],
        inputs: [query, key, value],
        outputs: [
          .floats(
            [
              0.95078981, 2.5553999, -3.0542303, 4.9917246, 1.806079, 0.028285295, 2.5616917,
              1.2935697,
            ], [1, 2, 2, 2])
        ]),
    ]
  }
}

/// The products of an attention, node by node.
private struct SpelledAttention {
  private let queries: ValueID
  private let keys: ValueID
  let values: ValueID
  private let elementType: ElementType
  /// The size of a head, if known.
  private let size: Int?
  /// Whether heads of queries may share one of keys.
  private let isGrouped: Bool
  /// The shape of queries with an axis for heads that share one of keys, without the last.
  private var groups: ValueID?

  init(_ inputs: [ValueID], _ types: [TensorType]) {
    (queries, keys, values) = (inputs[0], inputs[1], inputs[2])
    elementType = types[0].elementType
    size = types[0].shape?[3].known ?? types[1].shape?[3].known
    let heads = types[0].shape?[1].known
    isGrouped = heads == nil || heads != types[1].shape?[1].known
  }

  /// scale · Q Kᵀ: `[N, heads, S, T]`.
  ///
  /// Both sides are multiplied by a root of the scale, so that products in half precision do not
  /// become too large.
  mutating func scores(scale: Float?, _ builder: inout some NodeBuilder) throws -> ValueID {
    let (queryFactor, keyFactor) = try factors(scale, &builder)
    var query = try builder.add("Mul", [queries, queryFactor])
    var key = try builder.add(
      "Transpose", [try builder.add("Mul", [keys, keyFactor])],
      attributes: ["perm": .ints([0, 1, 3, 2])])
    guard isGrouped else { return try builder.add("MatMul", [query, key]) }
    let heads = try extents(queries, 1, 2, &builder)
    let shared = try extents(keys, 1, 2, &builder)
    let groups = try builder.add(
      "Concat",
      [
        try extents(queries, 0, 1, &builder), shared, try builder.add("Div", [heads, shared]),
        try extents(queries, 2, 3, &builder),
      ], attributes: ["axis": .int(0)])
    self.groups = groups
    query = try reshaped(query, [groups, try extents(queries, 3, 4, &builder)], &builder)
    key = try builder.add("Unsqueeze", [key, try Self.axes([2], &builder)])
    return try reshaped(
      try builder.add("MatMul", [query, key]),
      [try extents(queries, 0, 3, &builder), try extents(keys, 2, 3, &builder)], &builder)
  }

  /// The node that computes P V, of probabilities `[N, heads, S, T]`.
  func product(
    _ probabilities: ValueID, _ values: ValueID, _ builder: inout some NodeBuilder
  ) throws -> (type: String, inputs: [ValueID?], attributes: [ByteString: Attribute]) {
    guard let groups else { return (MatMul.schema.name, [probabilities, values], [:]) }
    let weights = try reshaped(
      probabilities, [groups, try extents(keys, 2, 3, &builder)], &builder)
    let shared = try builder.add("Unsqueeze", [values, try Self.axes([2], &builder)])
    let product = try builder.add("MatMul", [weights, shared])
    let shape = try builder.add(
      "Concat", [try extents(queries, 0, 3, &builder), try extents(values, 3, 4, &builder)],
      attributes: ["axis": .int(0)])
    return (Reshape.schema.name, [product, shape], ["allowzero": .int(1)])
  }

  /// Factors of queries and keys, whose product is the scale.
  private func factors(
    _ scale: Float?, _ builder: inout some NodeBuilder
  ) throws -> (ValueID, ValueID) {
    if let scale = scale.map(Double.init) ?? size.map({ 1 / Double($0).squareRoot() }) {
      let root = abs(scale).squareRoot()
      func constant(_ number: Double) throws -> ValueID {
        builder.addConstant(try Tensor(doubles: [number], as: elementType, shape: []))
      }
      return (try constant(scale < 0 ? -root : root), try constant(root))
    }
    let wide = elementType == .double ? elementType : .float
    let size = try builder.add(
      "Cast", [try extents(queries, 3, 4, &builder)],
      attributes: ["to": .int(Int(wide.rawValue))])
    let exponent = builder.addConstant(try Tensor(doubles: [-0.25], as: wide, shape: []))
    var root = try builder.add("Pow", [size, exponent])
    if wide != elementType {
      root = try builder.add(
        "Cast", [root], attributes: ["to": .int(Int(elementType.rawValue))])
    }
    return (root, root)
  }

  /// Some extents of a value, as a tensor.
  private func extents(
    _ value: ValueID, _ start: Int, _ end: Int, _ builder: inout some NodeBuilder
  ) throws -> ValueID {
    try builder.add("Shape", [value], attributes: ["start": .int(start), "end": .int(end)])
  }

  private func reshaped(
    _ value: ValueID, _ extents: [ValueID], _ builder: inout some NodeBuilder
  ) throws -> ValueID {
    let shape = try builder.add("Concat", extents, attributes: ["axis": .int(0)])
    return try builder.add("Reshape", [value, shape], attributes: ["allowzero": .int(1)])
  }

  private static func axes(
    _ axes: [Int], _ builder: inout some NodeBuilder
  ) throws -> ValueID {
    builder.addConstant(try Tensor(axes.map(Int64.init), shape: [axes.count]))
  }
}
