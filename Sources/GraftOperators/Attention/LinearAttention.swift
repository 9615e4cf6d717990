import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Attention without a softmax: each step updates a matrix of keys by values, and the query reads
/// it.
///
/// Queries are `[N, T, heads · K]`, keys `[N, T, H · K]`, values `[N, T, H · V]`, the state
/// `[N, H, K, V]`; the decay is `[N, T, H]` or `[N, T, H · K]`, beta `[N, T, H]` or `[N, T, 1]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>
struct LinearAttention: Operator {
  static let schema = OperatorSchema("LinearAttention", since: [27], inputs: 3...6, outputs: 1...2)
  static let isSpelledOut = true

  private let queryHeads: Int
  private let heads: Int
  private let scale: Float
  private let decays: Bool
  private let corrects: Bool

  init(_ attributes: AttributeReader) throws {
    queryHeads = try attributes.required("q_num_heads", attributes.int("q_num_heads"))
    heads = try attributes.required("kv_num_heads", attributes.int("kv_num_heads"))
    scale = try attributes.float("scale", default: 0)
    let rule = try attributes.choice(
      "update_rule", default: "gated_delta", of: ["linear", "gated", "delta", "gated_delta"])
    decays = rule.hasPrefix("gated")
    corrects = rule.hasSuffix("delta")
    guard heads > 0, queryHeads > 0, queryHeads % heads == 0 else {
      throw GraftError.badData(
        "\(queryHeads) heads of queries are not a multiple of \(heads) heads of keys")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    for index in [0, 1, 2, 4, 5] where context.hasInput(index) {
      try context.require(index, .floatingPoint)
    }
    try context.requireSameElementType([0, 1, 2, 4, 5])
    guard context.hasInput(4) == decays else {
      throw GraftError.badData("input 4, the decay, is \(decays ? "missing" : "not used")")
    }
    guard context.hasInput(5) == corrects else {
      throw GraftError.badData("input 5, the update rate, is \(corrects ? "missing" : "not used")")
    }
    let elementType = try context.elementType(0)
    if context.hasInput(3) { try context.require(3, .floatingPoint) }
    let stateType = context.hasInput(3) ? try context.elementType(3) : elementType
    context.setOutput(0, elementType, nil)
    context.setOutput(1, stateType, nil)
    let query = try context.shape(0)
    guard query.count == 3 else {
      throw GraftError.badData("input 0 has shape \(query); expected rank 3")
    }
    let keySize = try size(query[2], perHead: queryHeads)
    let value = try context.shape(2)
    guard value.count == 3 else {
      throw GraftError.badData("input 2 has shape \(value); expected rank 3")
    }
    let valueSize = try size(value[2], perHead: heads)
    func packed(_ size: Dimension) -> [Dimension] {
      [query[0], query[1], size.map { $0.multipliedReportingOverflow(by: heads).partialValue }]
    }
    try context.requireShapeAgrees(1, packed(keySize))
    try context.requireShapeAgrees(2, packed(valueSize))
    let state = [query[0], .known(heads), keySize, valueSize]
    try context.requireShapeAgrees(3, state)
    try requireWidth(4, [.known(heads), packed(keySize)[2]], query, context)
    try requireWidth(5, [.known(heads), .known(1)], query, context)
    let width = try valueSize.map { size in
      let (width, overflow) = size.multipliedReportingOverflow(by: queryHeads)
      guard !overflow else { throw GraftError.badData("\(queryHeads) heads are too many") }
      return width
    }
    context.setOutput(0, elementType, [query[0], query[1], width])
    context.setOutput(1, stateType, state)
  }

  private func size(_ width: Dimension, perHead count: Int) throws -> Dimension {
    guard let width = width.known else { return .unknown }
    guard width % count == 0 else {
      throw GraftError.badData("\(width) channels cannot be divided into \(count) heads")
    }
    return .known(width / count)
  }

  /// - Throws: `GraftError` if the last axis of an input has none of these extents
  private func requireWidth(
    _ index: Int, _ widths: [Dimension], _ query: [Dimension], _ context: InferenceContext
  ) throws {
    guard context.hasInput(index) else { return }
    let shape = try context.shape(index)
    try context.requireShapeAgrees(index, [query[0], query[1], shape.last ?? .known(0)])
    guard let width = shape[2].known, widths.allSatisfy({ $0.known != nil }) else { return }
    guard widths.contains(.known(width)) else {
      throw GraftError.badData(
        "input \(index) has \(width) channels; expected "
          + widths.map(\.description).joined(separator: " or "))
    }
  }

  /// The state and its sums are floats, or doubles if an input is.
  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let types = Set((context.inputs + context.outputs).compactMap { $0?.elementType })
    if types.contains(.double) {
      return try context.converting(types.subtracting([.double]), to: .double) {
        try prepare($0, computingIn: Double.self)
      }
    }
    guard types != [.float] else { return try prepare(context, computingIn: Float.self) }
    return try context.converting(types.subtracting([.float]), to: .float) {
      try prepare($0, computingIn: Float.self)
    }
  }

  private func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let query = try context.input(0).shape
    let (batch, length) = (query[0], query[1])
    let keySize = query[2] / queryHeads
    let valueSize = try context.input(2).shape[2] / heads
    let (heads, queryHeads) = (heads, queryHeads)
    let group = queryHeads / heads
    let decayWidth = decays ? try context.input(4).shape[2] : 0
    let rateWidth = corrects ? try context.input(5).shape[2] : 0
    let hasOneDecay = decayWidth == heads
    let scale = scale == 0 ? 1 / Element(keySize).squareRoot() : Element(scale)
    let stateCount = keySize * valueSize
    let bytes = (stateCount + valueSize) * MemoryLayout<Element>.stride
    return PreparedKernel(
      phases: [
        .parallel(count: batch * heads, grain: 1) { arguments, range in
          guard let scratch = arguments.workerScratch else { return }
          let state = scratch.assumingMemoryBound(to: Element.self)
          let change = state + stateCount
          let keys = arguments.input(1, as: Element.self)
          let values = arguments.input(2, as: Element.self)
          let queries = arguments.input(0, as: Element.self)
          let output = arguments.output(0, as: Element.self)
          for index in range {
            let (sample, head) = (index / heads, index % heads)
            if let past = arguments.optionalInput(3, as: Element.self) {
              state.update(from: past + index * stateCount, count: stateCount)
            } else {
              state.update(repeating: 0, count: stateCount)
            }
            for time in 0..<length {
              let token = sample * length + time
              let key = keys + (token * heads + head) * keySize
              let value = values + (token * heads + head) * valueSize
              if let decay = arguments.optionalInput(4, as: Element.self) {
                let row = decay + token * decayWidth + head * (hasOneDecay ? 1 : keySize)
                for k in 0..<keySize {
                  let factor = Element.exponential(row[hasOneDecay ? 0 : k])
                  for v in 0..<valueSize { state[k * valueSize + v] *= factor }
                }
              }
              change.update(from: value, count: valueSize)
              if let rates = arguments.optionalInput(5, as: Element.self) {
                for k in 0..<keySize {
                  for v in 0..<valueSize { change[v] -= state[k * valueSize + v] * key[k] }
                }
                let rate = rates[token * rateWidth + (rateWidth == 1 ? 0 : head)]
                for v in 0..<valueSize { change[v] *= rate }
              }
              for k in 0..<keySize {
                for v in 0..<valueSize { state[k * valueSize + v] += key[k] * change[v] }
              }
              for reader in head * group..<(head + 1) * group {
                let query = queries + (token * queryHeads + reader) * keySize
                let result = output + (token * queryHeads + reader) * valueSize
                result.update(repeating: 0, count: valueSize)
                for k in 0..<keySize {
                  for v in 0..<valueSize { result[v] += query[k] * state[k * valueSize + v] }
                }
                for v in 0..<valueSize { result[v] *= scale }
              }
            }
            if let present = arguments.optionalOutput(1, as: Element.self) {
              (present + index * stateCount).update(from: state, count: stateCount)
            }
          }
        }
      ], workerScratchByteCount: bytes)
  }

  /// A Scan over the steps.
  func spellOut(_ node: Node, in graph: inout Graph) throws -> [ValueID?] {
    func input(_ index: Int) -> ValueID? { index < node.inputs.count ? node.inputs[index] : nil }
    func type(_ id: ValueID?) -> TensorType? { id.flatMap { graph[$0].type?.tensor } }
    guard let query = input(0), let key = input(1), let value = input(2), let own = type(query),
      let keySize = own.shape?.last?.known.map({ $0 / queryHeads }),
      let valueSize = type(value)?.shape?.last?.known.map({ $0 / heads })
    else {
      throw GraftError.unsupported("needs the sizes of its heads for its gradient")
    }
    let stateType = type(input(3))?.elementType ?? own.elementType
    let computed: ElementType = [own.elementType, stateType].contains(.double) ? .double : .float
    func cast(_ id: ValueID, to type: ElementType, from given: ElementType) -> ValueID {
      type == given
        ? id : graph.addNode("Cast", [id], attributes: ["to": .int(Int(type.rawValue))])
    }
    /// An input as `[N, T, …]`.
    func rows(_ id: ValueID, _ extents: [Int]) throws -> ValueID {
      let shape = graph.addConstant(
        try Tensor(([0, 0] + extents).map(Int64.init), shape: [2 + extents.count]))
      return graph.addNode(
        "Reshape", [cast(id, to: computed, from: own.elementType), shape])
    }
    var rowed = [
      try rows(query, [heads, queryHeads / heads, keySize]), try rows(key, [heads, keySize, 1]),
      try rows(value, [heads, 1, valueSize]),
    ]
    if let decay = input(4) {
      let hasOne = type(decay)?.shape?.last == .known(heads)
      rowed.append(graph.addNode("Exp", [try rows(decay, [heads, hasOne ? 1 : keySize, 1])]))
    }
    if let rate = input(5) {
      let hasOne = type(rate)?.shape?.last == .known(1)
      rowed.append(try rows(rate, [hasOne ? 1 : heads, 1, 1]))
    }
    let first: ValueID
    if let state = input(3) {
      first = cast(state, to: computed, from: stateType)
    } else {
      let extents = graph.addConstant(
        try Tensor([heads, keySize, valueSize].map(Int64.init), shape: [3]))
      let batch = graph.addNode("Shape", [query], attributes: ["end": .int(1)])
      first = graph.addNode(
        "ConstantOfShape",
        [graph.addNode("Concat", [batch, extents], attributes: ["axis": .int(0)])],
        attributes: ["value": .tensor(try Tensor(zeros: computed, shape: [1]))])
    }
    let axes = Attribute.ints(rowed.map { _ in 1 })
    let results = graph.addNode(
      "Scan", [first] + rowed,
      attributes: [
        "body": .graph(step(computed)), "num_scan_inputs": .int(rowed.count),
        "scan_input_axes": axes, "scan_output_axes": .ints([1]),
      ], outputCount: 2)
    let factor = graph.addConstant(
      try Tensor(
        doubles: [scale == 0 ? 1 / Double(keySize).squareRoot() : Double(scale)], as: computed,
        shape: []))
    let width = graph.addConstant(
      try Tensor([0, 0, Int64(queryHeads * valueSize)], shape: [3]))
    let output = graph.addNode(
      "Reshape", [graph.addNode("Mul", [results[1], factor]), width])
    return [
      cast(output, to: own.elementType, from: computed),
      cast(results[0], to: stateType, from: computed),
    ]
  }

  /// One step: the state `[N, H, K, V]`, the query `[N, H, heads / H, K]`, the key `[N, H, K, 1]`,
  /// the value `[N, H, 1, V]`, the factor that decays, and the update rate.
  private func step(_ elementType: ElementType) -> Graph {
    var body = Graph(name: "step")
    func input(_ name: String) -> ValueID {
      body.addInput(name: name, type: TensorType(elementType, nil))
    }
    var state = input("state")
    let (query, key, value) = (input("query"), input("key"), input("value"))
    if decays { state = body.addNode("Mul", [state, input("decay")]) }
    var change = value
    if corrects {
      let row = body.addNode("Transpose", [key], attributes: ["perm": .ints([0, 1, 3, 2])])
      let known = body.addNode("MatMul", [row, state])
      change = body.addNode("Mul", [body.addNode("Sub", [value, known]), input("rate")])
    }
    state = body.addNode("Add", [state, body.addNode("Mul", [key, change])])
    body.outputs = [state, body.addNode("MatMul", [query, state])]
    return body
  }

  /// Expected values but the first from ONNX's reference implementation.
  static var examples: [OperatorExample] {
    let query = Tensor.floats([1, 2, 3, -1], [1, 2, 2])
    let key = Tensor.floats([0.5, 1, -1, 0.25], [1, 2, 2])
    let value = Tensor.floats([2, 4, 1, -3], [1, 2, 2])
    let heads: [ByteString: Attribute] = ["q_num_heads": .int(1), "kv_num_heads": .int(1)]
    let queries = Tensor.floats(
      [
        -0.875, -0.5, 0.625, 0.125, -0.75, -0.125, 0, -0.625, 0.5, -0.75, -0.25, 0, -0.125, 0.125,
        0.5, 0.875, -0.375, 0.25, 0.375, -0.375, -1, 1, -0.375, -0.375,
      ], [1, 3, 8])
    let keys = Tensor.floats(
      [0.75, 0.125, 0, 0.5, -1, 0.375, -0.25, -0.875, 0.375, 0.875, -0.625, 0.25], [1, 3, 4])
    let values = Tensor.floats([-0.375, 0.5, 0.5, -0.625, 0.625, 0.375], [1, 3, 2])
    let state = Tensor.floats([0.375, 0.625, -0.125, 0.5], [1, 2, 2, 1])
    let shared: [ByteString: Attribute] = ["q_num_heads": .int(4), "kv_num_heads": .int(2)]
    return [
      OperatorExample(
        "sums",
        attributes: heads.merging(["update_rule": .string("linear"), "scale": .float(1)]) { $1 },
        inputs: [query, key, value],
        outputs: [
          .floats([5, 10, -2.25, 11.75], [1, 2, 2]), .floats([0, 5, 2.25, 3.25], [1, 1, 2, 2]),
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "shared heads, one decay and one rate for each step", attributes: shared,
        inputs: [
          queries, keys, values, state,
          .floats([-0.75, -0.75, -0.75, -0.25, 0, -0.75], [1, 3, 2]),
          .floats([0.375, 0.375, 0.75], [1, 3, 1]),
        ],
        outputs: [
          .floats(
            [
              -0.1101537, 0.034411062, 0.0041086278, -0.13602573, -0.15959004, 0.028730089,
              0.034092516, 0.23283638, 0.098577008, -0.1456127, 0.28121984, -0.022324512,
            ], [1, 3, 4]),
          .floats([-0.016991913, 0.53214794, -0.15675695, 0.24094796], [1, 2, 2, 1]),
        ], differentiableInputs: [0, 1, 2, 3, 4, 5]),
      OperatorExample(
        "a decay for each key, without a state",
        attributes: shared.merging([
          "update_rule": .string("gated"), "scale": .float(0.5),
        ]) { $1 },
        inputs: [
          queries, keys, values, nil,
          .floats(
            [
              -0.5, -0.125, -0.25, -0.25, -0.625, -0.625, -0.5, -0.5, -0.125, -0.875, -0.625,
              -0.75,
            ], [1, 3, 4]),
        ],
        outputs: [
          .floats(
            [
              0.13476562, -0.090820312, -0.015625, -0.078125, -0.22353917, 0.081317782, 0.033891104,
              0.3446596, 0.1405209, -0.17893198, 0.28722101, -0.051180229,
            ], [1, 3, 4]),
          .floats([-0.33972651, 0.61457741, -0.15074041, 0.42370164], [1, 2, 2, 1]),
        ], differentiableInputs: [0, 1, 2, 4]),
      OperatorExample(
        "a rate for each head",
        attributes: shared.merging(["update_rule": .string("delta")]) { $1 },
        inputs: [
          queries, keys, values, state, nil,
          .floats([0.625, 0.875, 0.25, 0.25, 1, 0.625], [1, 3, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.21971928, 0.063766494, 0.012429612, -0.26930824, -0.33405811, 0.0086114444,
              0.066609554, 0.35221007, 0.12518655, -0.18731311, 0.58802307, -0.12875302,
            ], [1, 3, 4]),
          .floats([-0.0035201162, 0.70288187, -0.17301607, 0.6585741], [1, 2, 2, 1]),
        ], differentiableInputs: [0, 1, 2, 3, 5]),
    ]
  }
}
