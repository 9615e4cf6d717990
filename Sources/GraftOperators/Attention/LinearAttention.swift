import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Attention without a softmax: each step updates a matrix of keys by values, and the query reads
/// it.
///
/// Queries are `[N, T, heads · K]`, keys `[N, T, H · K]`, values `[N, T, H · V]`, the state
/// `[N, H, K, V]`; the decay is `[N, T, H]` or `[N, T, H · K]`, and beta `[N, T, H]` or `[N, T, 1]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>
struct LinearAttention: Operator {
  static let schema = OperatorSchema("LinearAttention", since: [27], inputs: 3...6, outputs: 1...2)

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

  static var examples: [OperatorExample] {
    let query = Tensor.floats([1, 2, 3, -1], [1, 2, 2])
    let key = Tensor.floats([0.5, 1, -1, 0.25], [1, 2, 2])
    let value = Tensor.floats([2, 4, 1, -3], [1, 2, 2])
    let heads: [ByteString: Attribute] = ["q_num_heads": .int(1), "kv_num_heads": .int(1)]
    return [
      OperatorExample(
        "sums",
        attributes: heads.merging(["update_rule": .string("linear"), "scale": .float(1)]) { $1 },
        inputs: [query, key, value],
        outputs: [
          .floats([5, 10, -2.25, 11.75], [1, 2, 2]), .floats([0, 5, 2.25, 3.25], [1, 1, 2, 2]),
        ])
    ]
  }
}
