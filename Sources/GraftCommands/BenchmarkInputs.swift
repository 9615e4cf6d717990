import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

/// Seeded random inputs for a model, of which only types and shapes matter.
enum BenchmarkInputs {
  /// - Parameters:
  ///   - batch: the first extent of inputs without a given shape; `nil` for the model's, or 1 where
  ///     it is undefined
  ///   - shapes: the shapes of some inputs, by name, which match the model's declarations
  ///   - memory: the memory limit of the inputs
  /// - Throws: `GraftError` if the shapes do not match the model, or exceed the memory; allocates
  ///   nothing before
  static func make(
    _ graph: Graph, batch: Int?, shapes: [ByteString: Shape], memory: MemoryBudget
  ) throws -> [RuntimeValue] {
    var types: [ValueID: ValueType] = [:]
    var inputs: [(elementType: ElementType, shape: Shape)] = []
    for id in graph.inputs {
      let name = graph[id].name
      try withPlace("input '\(name)'") {
        guard let type = graph[id].type?.tensor else {

          throw GraftError.unsupported(
            "only tensors can be made up", hint: "Use `graft run` with files for other inputs")
        }
        let shape =
          try shapes[ByteString(name)] ?? defaultShape(type, name: name, batch: batch ?? 1)
        let given = TensorType(type.elementType, [Dimension](shape))
        types[id] = .tensor(given)
        inputs.append((type.elementType, shape))
      }
    }
    if let batch { try require(batch, of: graph, inputs.map(\.shape), given: shapes) }
    try withPlace("the inputs") {
      do {
        try memory.require(inputs.map { try Tensor.memoryByteCount($0.elementType, $0.shape) })
      } catch var error as GraftError {
        // An invalid size is the model's fault only if the user set none.
        if error.code == .badData, batch != nil || !shapes.isEmpty { error.code = .usage }
        throw error
      }
    }
    _ = try graph.concreteTypes(inputs: types)
    var generator = SeededGenerator(seed: 1)
    return try inputs.map { .tensor(try random($0.elementType, $0.shape, &generator)) }
  }

  /// - Throws: `GraftError` if no input has this batch size; inputs that all images share need not
  ///   have it
  private static func require(
    _ batch: Int, of graph: Graph, _ shapes: [Shape], given: [ByteString: Shape]
  ) throws {
    guard !shapes.contains(where: { $0.first == batch }) else { return }
    let inputs = zip(graph.inputs.map { graph[$0].name }, shapes).filter { !$1.isEmpty }
    if let (name, shape) = inputs.first(where: { given[ByteString($0.0)] != nil }) {
      throw GraftError.usage(
        "--batch is \(batch), but --shape sets input '\(name)' to \(shape)",
        hint: "Omit one of them")
    }
    guard let (name, shape) = inputs.first else {
      throw GraftError.usage(
        "--batch is \(batch), but the model's inputs are single numbers", hint: "Omit --batch")
    }
    throw GraftError.usage(
      "--batch is \(batch), but the model requires a batch of \(shape[0])",
      hint: "Omit --batch"
    ).at("input '\(name)'")
  }

  private static func defaultShape(_ type: TensorType, name: String, batch: Int) throws -> Shape {
    guard let dimensions = type.shape else {
      throw GraftError.usage("has no declared shape", hint: "Set it with --shape \(name)=…")
    }
    return try dimensions.enumerated().map { axis, dimension in
      if let known = dimension.known { return known }
      guard axis == 0 else {
        throw GraftError.usage(
          "extent \(axis) of \(type) is open",
          hint: "Set the shape with --shape \(name)=…")
      }
      return batch
    }
  }

  /// Roughly normal floats, small integers, false.
  private static func random(
    _ elementType: ElementType, _ shape: Shape, _ generator: inout SeededGenerator
  ) throws -> Tensor {
    let tensor = try Tensor(zeros: elementType, shape: shape)
    if elementType == .string || elementType == .bool { return tensor }
    let count = tensor.elementCount
    var part: [Double] = []
    for start in stride(from: 0, to: count, by: partCount) {
      part.removeAll(keepingCapacity: true)
      for _ in start..<min(start + partCount, count) {
        part.append(
          elementType.isFloatingPoint
            ? generator.nextUnit() * 2 - 1 : (generator.nextUnit() * 2).rounded(.down))
      }
      try part.withUnsafeBytes { numbers in
        guard let base = numbers.baseAddress else { return }
        try ElementConversion.convert(
          base, .double, to: tensor.baseAddress + start * elementType.byteWidth, elementType,
          count: part.count)
      }
    }
    return tensor
  }

  /// Numbers generated and converted at once.
  private static let partCount = 4096
}
