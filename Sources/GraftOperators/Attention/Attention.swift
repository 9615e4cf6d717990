import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Scaled dot-product attention: softmax(scale · Q Kᵀ + bias) V, for each head.
///
/// Queries are `[N, heads, S, K]`, keys `[N, H, T, K]`, values `[N, H, T, V]`, or each of them of
/// rank 3 with its heads side by side, as in `[N, S, heads · K]`. Several heads of queries may share
/// one of keys. The bias combines the mask, causality, a window and the padding of a cache.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Attention.html>. Sources: Vaswani et al.,
/// Attention Is All You Need, <https://arxiv.org/abs/1706.03762>; Dao et al., FlashAttention,
/// <https://arxiv.org/abs/2205.14135>.
package struct Attention: Operator {
  package static let schema = OperatorSchema(
    "Attention", since: [23, 24, 25], sameSince: 23, inputs: 3...7, outputs: 1...4)
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds

  /// What output 3 contains.
  enum ScoreOutput: Int {
    case products, capped, biased, probabilities
  }

  let queryHeads: Int?
  let keyHeads: Int?
  let scale: Float?
  let softcap: Float
  let isCausal: Bool
  /// How many keys before and after its own position a query sees; `nil` for all.
  let window: (left: Int?, right: Int?)
  let scoreOutput: ScoreOutput
  let softmaxType: ElementType?

  package init(_ attributes: AttributeReader) throws {
    queryHeads = try Attention.count("q_num_heads", attributes)
    keyHeads = try Attention.count("kv_num_heads", attributes)
    scale = try attributes.float("scale")
    softcap = try attributes.float("softcap", default: 0)
    isCausal = try attributes.flag("is_causal")
    window = (
      try Attention.side("left_window_size", attributes),
      try Attention.side("right_window_size", attributes)
    )
    let mode = try attributes.int("qk_matmul_output_mode", default: 0)
    guard let output = ScoreOutput(rawValue: mode) else {
      throw GraftError.badData("attribute 'qk_matmul_output_mode' is \(mode); expected 0 to 3")
    }
    scoreOutput = output
    softmaxType = try attributes.elementType("softmax_precision")
    if let softmaxType, !Set.floatingPoint.contains(softmaxType) {
      throw GraftError.badData(
        "attribute 'softmax_precision' is \(softmaxType); expected a floating-point type")
    }
  }

  private static func count(_ name: String, _ attributes: AttributeReader) throws -> Int? {
    guard let count = try attributes.int(name) else { return nil }
    guard count > 0 else {
      throw GraftError.badData("attribute '\(name)' is \(count); expected 1 or more")
    }
    return count
  }

  private static func side(_ name: String, _ attributes: AttributeReader) throws -> Int? {
    let size = try attributes.int(name, default: -1)
    guard size >= -1 else {
      throw GraftError.badData("attribute '\(name)' is \(size); expected -1 or more")
    }
    return size < 0 ? nil : size
  }

  /// Opset 23 knows no padded caches, and 24 no windows.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset >= 23 else { throw GraftError.unsupported("the operator is newer") }
    for name in ["left_window_size", "right_window_size"] where opset < 25 {
      guard try AttributeReader(node.attributes).int(name, default: -1) == -1 else {
        throw GraftError.unsupported("'\(name)' is newer")
      }
      node.attributes[ByteString(name)] = nil
    }
    if opset < 24, node.inputs.count > 6, node.inputs[6] != nil {
      throw GraftError.unsupported("'nonpad_kv_seqlen' is newer")
    }
  }

  /// Each query meets each key, apart from those of the past.
  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard let query = inputs[0], let key = inputs[1], let output, query.count == key.count,
      query.count == output.count, query.count == 3 || query.count == 4
    else { return nil }
    let (size, overflow) = query[query.count - 1].addingReportingOverflow(output[query.count - 1])
    return overflow ? nil : (query.dropLast() + [key[key.count - 2], size]).checkedProduct
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 1, 2, 4, 5] where context.hasInput(index) {
      try context.require(index, .floatingPoint)
    }
    try context.requireSameElementType([0, 1, 4])
    try context.requireSameElementType([2, 5])
    let (type, valueType) = (try context.elementType(0), try context.elementType(2))
    for (index, type) in [type, type, valueType, type].enumerated() {
      context.setOutput(index, type, nil)
    }
    guard context.hasInput(4) == context.hasInput(5) else {
      throw GraftError.badData("past_key and past_value are used together; one is missing")
    }
    guard !context.hasInput(6) || !context.hasInput(4) else {
      throw GraftError.badData("nonpad_kv_seqlen cannot be used with past_key and past_value")
    }
    let query = try heads(of: 0, queryHeads, context)
    let key = try heads(of: 1, keyHeads, context)
    let value = try heads(of: 2, keyHeads, context)
    try requireEqual(query.batch, key.batch, "batches of Q and K")
    try requireEqual(query.batch, value.batch, "batches of Q and V")
    try requireEqual(key.heads, value.heads, "heads of K and V")
    try requireEqual(key.length, value.length, "lengths of K and V")
    try requireEqual(query.size, key.size, "head sizes of Q and K")
    if let heads = query.heads.known, let shared = key.heads.known,
      shared == 0 || heads % shared != 0
    {
      throw GraftError.badData("\(heads) heads of Q are not a multiple of \(shared) heads of K")
    }
    var total = key.length
    if context.hasInput(4) {
      let past = try context.shape(4)
      try context.requireShapeAgrees(
        4, [query.batch, key.heads, past.count > 2 ? past[2] : .unknown, key.size])
      try context.requireShapeAgrees(5, [query.batch, key.heads, past[2], value.size])
      total = try Dimension.combine(past[2], key.length) { past, new in
        let (sum, overflow) = past.addingReportingOverflow(new)
        guard !overflow else { throw GraftError.badData("the keys are too many") }
        return sum
      }
    }
    if context.hasInput(6) {
      try context.require(6, [.int64])
      try context.requireShapeAgrees(6, [query.batch])
    }
    try requireMask([query.batch, query.heads, query.length, total], context)
    if try context.shape(0).count == 4 {
      context.setOutput(0, type, [query.batch, query.heads, query.length, value.size])
    } else {
      let width = try Dimension.combine(query.heads, value.size) { heads, size in
        let (width, overflow) = heads.multipliedReportingOverflow(by: size)
        guard !overflow else { throw GraftError.badData("the output is too large") }
        return width
      }
      context.setOutput(0, type, [query.batch, query.length, width])
    }
    context.setOutput(1, type, [query.batch, key.heads, total, key.size])
    context.setOutput(2, valueType, [query.batch, key.heads, total, value.size])
    context.setOutput(3, type, [query.batch, query.heads, query.length, total])
  }

  private func heads(
    of index: Int, _ count: Int?, _ context: InferenceContext
  ) throws -> (batch: Dimension, heads: Dimension, length: Dimension, size: Dimension) {
    let shape = try context.shape(index)
    guard try shape.count == context.shape(0).count, shape.count == 3 || shape.count == 4 else {
      throw GraftError.badData(
        "input \(index) has shape \(shape); expected Q, K and V of rank 3, or of rank 4")
    }
    if shape.count == 4 { return (shape[0], shape[1], shape[2], shape[3]) }
    guard let count else {
      throw GraftError.badData(
        "attributes 'q_num_heads' and 'kv_num_heads' are needed for inputs of rank 3")
    }
    let size = try shape[2].map { width in
      guard width % count == 0 else {
        throw GraftError.badData(
          "input \(index) has \(width) channels; expected a multiple of \(count) heads")
      }
      return width / count
    }
    return (shape[0], .known(count), shape[1], size)
  }

  private func requireEqual(_ left: Dimension, _ right: Dimension, _ what: String) throws {
    guard let left = left.known, let right = right.known, left != right else { return }
    throw GraftError.badData("the \(what) differ: \(left) and \(right)")
  }

  /// - Throws: `GraftError` if the mask cannot be broadcast to the scores; it may end before them
  private func requireMask(_ scores: [Dimension], _ context: InferenceContext) throws {
    guard context.hasInput(3) else { return }
    try context.require(3, .realNumbers.union([.bool]))
    let shape = try context.shape(3)
    let fits =
      shape.count <= 4
      && zip(shape.reversed(), scores.reversed()).enumerated().allSatisfy { axis, extents in
        guard let extent = extents.0.known, let wanted = extents.1.known else { return true }
        return extent == wanted || (axis == 0 ? extent <= wanted : extent == 1)
      }
    guard fits else {
      throw GraftError.badData("input 3, the mask, has shape \(shape); expected \(scores)")
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let types = Set(
      (context.inputs + context.outputs).compactMap { $0?.elementType }.filter {
        Set.floatingPoint.contains($0)
      })
    let wide: ElementType =
      types.contains(.double) || softmaxType == .double ? .double : .float
    let narrow = types.subtracting([wide])
    let kernel: (PrepareContext) throws -> PreparedKernel = { context in
      wide == .double
        ? try AttentionKernel<Double>(self, context).kernel()
        : try AttentionKernel<Float>(self, context).kernel()
    }
    return narrow.isEmpty
      ? try kernel(context) : try context.converting(narrow, to: wide, kernel)
  }

  /// With P = softmax(scale · Q Kᵀ + bias): dV = Pᵀ dY, dS = P (dP - Σ dP P) with dP = dY Vᵀ,
  /// dQ = scale · dS K, dK = scale · dSᵀ Q.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let node = builder.node
    guard builder.outputGradients.dropFirst().allSatisfy({ $0 == nil }) else {
      throw GraftError.unsupported("Attention has a gradient through its first output only")
    }
    let isPacked = builder.type(of: try builder.input(0))?.shape?.count == 3
    func byHeads(_ value: ValueID, _ count: Int?, _ builder: inout GradientBuilder) throws
      -> ValueID
    {
      guard isPacked else { return value }
      let shape = builder.addConstant(try Tensor([0, 0, Int64(count ?? 1), -1], shape: [4]))
      return builder.add(
        "Transpose", [builder.add("Reshape", [value, shape])],
        attributes: ["perm": .ints([0, 2, 1, 3])])
    }
    let query = try byHeads(try builder.input(0), queryHeads, &builder)
    let newKey = try byHeads(try builder.input(1), keyHeads, &builder)
    let newValue = try byHeads(try builder.input(2), keyHeads, &builder)
    let gradient = try byHeads(try builder.outputGradient(), queryHeads, &builder)
    let hasPast = node.inputs.count > 4 && node.inputs[4] != nil
    var (key, value) = (newKey, newValue)
    if hasPast {
      let axis: [ByteString: Attribute] = ["axis": .int(2)]
      key = builder.add("Concat", [node.inputs[4], newKey], attributes: axis)
      value = builder.add("Concat", [node.inputs[5], newValue], attributes: axis)
    }
    func scores(_ output: ScoreOutput, _ builder: inout GradientBuilder) -> ValueID {
      let mode: [ByteString: Attribute] = ["qk_matmul_output_mode": .int(output.rawValue)]
      return builder.add(
        "Attention", node.inputs, attributes: node.attributes.merging(mode) { $1 }, outputCount: 4
      )[3]
    }
    // The heads of queries that share keys become rows of one matrix, [N, H, heads / H · S, …].
    guard let size = try headSize(of: 0, queryHeads, builder),
      let valueSize = try headSize(of: 2, keyHeads, builder),
      let sharedHeads = isPacked ? keyHeads : builder.type(of: newKey)?.shape?[1].known
    else {
      throw GraftError.unsupported("Attention's gradient needs to know the sizes of its heads")
    }
    func shared(_ value: ValueID, _ width: ValueID, _ builder: inout GradientBuilder) throws
      -> ValueID
    {
      let rows = builder.addConstant(try Tensor([0, Int64(sharedHeads), -1], shape: [3]))
      let shape = builder.add("Concat", [rows, width], attributes: ["axis": .int(0)])
      return builder.add("Reshape", [value, shape])
    }
    func constant(_ number: Int, _ builder: inout GradientBuilder) throws -> ValueID {
      builder.addConstant(try Tensor([Int64(number)], shape: [1]))
    }
    func transposed(_ value: ValueID, _ builder: inout GradientBuilder) -> ValueID {
      builder.add("Transpose", [value], attributes: ["perm": .ints([0, 1, 3, 2])])
    }
    let keyCount = builder.add(
      "Shape", [key], attributes: ["start": .int(2), "end": .int(3)])
    let probabilities = scores(.probabilities, &builder)
    let weights = try shared(probabilities, keyCount, &builder)
    let outputGradient = try shared(gradient, try constant(valueSize, &builder), &builder)
    let valueGradient = builder.add("MatMul", [transposed(weights, &builder), outputGradient])
    let weightGradient = builder.add("MatMul", [outputGradient, transposed(value, &builder)])
    let product = builder.add("Mul", [weightGradient, weights])
    let sum = builder.add("ReduceSum", [product, try builder.addAxes([-1])])
    var scoreGradient = builder.add(
      "Mul", [weights, builder.add("Sub", [weightGradient, sum])])
    if builder.needs(3) {
      let all = builder.add(
        "Reshape", [scoreGradient, builder.add("Shape", [probabilities])])
      try builder.setBroadcastInputGradient(3, all)
    }
    if softcap > 0 {
      let capped = try shared(scores(.capped, &builder), keyCount, &builder)
      let ratio = builder.add(
        "Div", [capped, try builder.addScalar(Double(softcap), like: capped)])
      let slope = builder.add(
        "Sub",
        [try builder.addScalar(1, like: ratio), builder.add("Mul", [ratio, ratio])])
      scoreGradient = builder.add("Mul", [scoreGradient, slope])
    }
    let scale = scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    let scaled = builder.add(
      "Mul", [scoreGradient, try builder.addScalar(scale, like: scoreGradient)])
    func set(
      _ index: Int, _ gradient: ValueID, like heads: ValueID, _ builder: inout GradientBuilder
    )
      throws
    {
      guard builder.needs(index) else { return }
      var gradient = builder.add("Reshape", [gradient, builder.add("Shape", [heads])])
      if isPacked, index < 3 {
        gradient = builder.add(
          "Transpose", [gradient], attributes: ["perm": .ints([0, 2, 1, 3])])
        gradient = builder.add(
          "Reshape", [gradient, builder.add("Shape", [try builder.input(index)])])
      }
      builder.setInputGradient(index, gradient)
    }
    try set(0, builder.add("MatMul", [scaled, key]), like: query, &builder)
    let rows = try shared(query, try constant(size, &builder), &builder)
    let keyGradient = builder.add("MatMul", [transposed(scaled, &builder), rows])
    for (gradient, index, new) in [(keyGradient, 1, newKey), (valueGradient, 2, newValue)] {
      guard hasPast, let past = node.inputs[index + 3] else {
        try set(index, gradient, like: new, &builder)
        continue
      }
      let count = builder.add("Shape", [past], attributes: ["start": .int(2), "end": .int(3)])
      let axes = try constant(2, &builder)
      let before = builder.add("Slice", [gradient, try constant(0, &builder), count, axes])
      let after = builder.add(
        "Slice", [gradient, count, try constant(.max, &builder), axes])
      try set(index + 3, before, like: past, &builder)
      try set(index, after, like: new, &builder)
    }
  }

  private func headSize(
    of index: Int, _ count: Int?, _ builder: GradientBuilder
  ) throws -> Int? {
    guard let shape = builder.type(of: try builder.input(index))?.shape else { return nil }
    return shape.count == 3 ? shape[2].known.map { $0 / (count ?? 1) } : shape.last?.known
  }

  package static var examples: [OperatorExample] {
    let query = Tensor.floats([1, 0, -1, 2, 0.5, 1], [1, 1, 3, 2])
    let key = Tensor.floats([1, 1, 0, -1, 2, 0.5], [1, 1, 3, 2])
    let value = Tensor.floats([1, 2, 3, 4, 5, 6], [1, 1, 3, 2])
    return [
      OperatorExample(
        "one head", inputs: [query, key, value],
        outputs: [
          .floats([3.58395982, 4.58395982, 1.88937795, 2.88937795, 3, 4], [1, 1, 3, 2])
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "causal, capped",
        attributes: ["is_causal": .int(1), "softcap": .float(1.5), "scale": .float(0.7)],
        inputs: [query, key, value],
        outputs: [.floats([1, 2, 1.29572392, 2.29572392, 3, 4], [1, 1, 3, 2])],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "mask and window",
        attributes: ["left_window_size": .int(0), "right_window_size": .int(1)],
        inputs: [
          query, key, value,
          .bools([true, false, true, true, false, true, true, false, true], [3, 3]),
        ], outputs: [.floats([1, 2, 5, 6, 5, 6], [1, 1, 3, 2])]),
      OperatorExample(
        "two heads share a key, with a past",
        attributes: [
          "q_num_heads": .int(2), "kv_num_heads": .int(1), "qk_matmul_output_mode": .int(3),
        ],
        inputs: [
          .floats([1.79, 0.44, 0.1, -1.86, -0.28, -0.35, -0.08, -0.63], [1, 2, 4]),
          .floats([-0.04, -0.48, -1.31, 0.88], [1, 2, 2]), .floats([0.88, 1.71], [1, 2, 1]), nil,
          .floats([0.05, -0.4], [1, 1, 1, 2]), .floats([-0.55], [1, 1, 1, 1]),
        ],
        outputs: [
          .floats([0.314186037, 0.312377274, 0.666586697, 0.531916559], [1, 2, 2]),
          .floats([0.05, -0.4, -0.04, -0.48, -1.31, 0.88], [1, 1, 3, 2]),
          .floats([-0.55, 0.88, 1.71], [1, 1, 3, 1]),
          .floats(
            [
              0.468012333, 0.407356828, 0.124630898, 0.334232628, 0.347045273, 0.318722099,
              0.440024197, 0.485744774, 0.0742311031, 0.377046615, 0.39272052, 0.230232835,
            ], [1, 2, 2, 3]),
        ], differentiableInputs: [0, 1, 2, 4, 5], differentiableOutputs: [0]),
    ]
  }
}
