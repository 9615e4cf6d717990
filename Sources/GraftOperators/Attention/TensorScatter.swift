import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A copy of a cache with an update written along an axis, for each sample of the batch from an
/// index of its own.
///
/// The cache is `[N, …, M, …]` and the update `[N, …, S, …]` with S ≤ M.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__TensorScatter.html>
struct TensorScatter: Operator {
  static let schema = OperatorSchema("TensorScatter", since: [24], inputs: 2...3)

  let axis: Int
  let isCircular: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -2)
    let mode = try attributes.choice("mode", default: "linear", of: ["linear", "circular"])
    isCircular = mode == "circular"
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.requireSameElementType([0, 1])
    try context.setOutputLikeInput()
    let cache = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: cache.count)
    guard axis > 0 else {
      throw GraftError.badData("attribute 'axis' is the axis of the batch; expected a later one")
    }
    var update = try context.shape(1)
    guard update.count == cache.count else {
      throw GraftError.badData("input 1 has shape \(update); expected rank \(cache.count)")
    }
    if let written = update[axis].known, let available = cache[axis].known, written > available {
      throw GraftError.badData(
        "input 1 has \(written) entries along axis \(axis); the cache has room for \(available)")
    }
    update[axis] = cache[axis]
    try context.requireShapeAgrees(0, update)
    if context.hasInput(2) {
      try context.require(2, [.int64])
      try context.requireShapeAgrees(2, [cache[0]])
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let cache = try context.input(0)
      let update = try context.input(1).shape
      let axis = try normalizedAxis(axis, rank: cache.rank)
      let room = cache.shape[axis]
      let written = update[axis]
      let entryBytes = cache.shape[(axis + 1)...].reduce(cache.elementType.byteWidth, *)
      let blocks = cache.shape[1..<axis].reduce(1, *)
      let hasIndices = context.hasInput(2)
      let isCircular = isCircular
      let copy = PreparedKernel.Phase.parallel(
        count: cache.shape.elementCount * cache.elementType.byteWidth, grain: 1 << 17
      ) { arguments, range in
        let target = arguments.output(0) + range.lowerBound
        let source = arguments.input(0) + range.lowerBound
        if source != UnsafeRawPointer(target) {
          target.copyMemory(from: source, byteCount: range.count)
        }
      }
      let write = PreparedKernel.Phase.parallel(
        count: written * entryBytes == 0 ? 0 : cache.shape[0] * blocks,
        grain: max(1, (1 << 16) / max(1, written * entryBytes))
      ) { arguments, range in
        for row in range {
          var first = hasIndices ? Int(arguments.input(2, as: Int64.self)[row / blocks]) : 0
          if isCircular {
            first = (first % room + room) % room
          } else if first < 0 || first > room - written {
            throw GraftError.badData(
              "write index \(first) with \(written) entries is outside of the cache's \(room)")
          }
          let target = arguments.output(0) + row * room * entryBytes
          let source = arguments.input(1) + row * written * entryBytes
          let upToEnd = min(written, room - first)
          (target + first * entryBytes).copyMemory(
            from: source, byteCount: upToEnd * entryBytes)
          target.copyMemory(
            from: source + upToEnd * entryBytes, byteCount: (written - upToEnd) * entryBytes)
        }
      }
      return PreparedKernel(phases: [copy, write], inPlaceInputs: [0]).overwriting([0: 0])
    }
  }

  static var examples: [OperatorExample] {
    let cache = Tensor.floats([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3, 2])
    let update = Tensor.floats([-1, -2, -3, -4], [2, 1, 2])
    let longer = Tensor.floats([-1, -2, -3, -4, -5, -6, -7, -8], [2, 2, 2])
    return [
      OperatorExample(
        "from the start", inputs: [cache, update],
        outputs: [.floats([-1, -2, 3, 4, 5, 6, -3, -4, 9, 10, 11, 12], [2, 3, 2])]),
      OperatorExample(
        "each at its own index", inputs: [cache, update, .integers([2, 1], [2])],
        outputs: [.floats([1, 2, 3, 4, -1, -2, 7, 8, -3, -4, 11, 12], [2, 3, 2])]),
      OperatorExample(
        "circular", attributes: ["mode": .string("circular"), "axis": .int(1)],
        inputs: [cache, longer, .integers([2, 4], [2])],
        outputs: [.floats([-3, -4, 3, 4, -1, -2, 7, 8, -5, -6, -7, -8], [2, 3, 2])]),
    ]
  }
}
