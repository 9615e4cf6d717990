import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport

/// Takes a model through everything that happens to one, from its bytes to its answers.
enum ModelTrial {
  /// Elements of an input that is made up to run a model.
  private static let elementLimit = 1 << 14
  private static let memoryLimit = 16 << 20

  /// - Parameters:
  ///   - folder: where external data lies
  ///   - example: inputs to give the model where they fit
  ///   - isExact: whether these are the inputs in any case
  /// - Returns: whether the model ran
  static func run(
    _ bytes: [UInt8], folder: String? = nil, like example: [RuntimeValue?] = [],
    isExact: Bool = false, _ generator: inout Generator
  ) throws -> Bool {
    let storage = try Storage.heap(byteCount: bytes.count)
    bytes.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
        .copyMemory(from: source)
    }
    var graph = try ONNXImporter().graph(storage, folder: folder)
    try graph.validate()
    _ = try? ONNXExporter().bytes(graph)
    if generator.oneIn(4) { try cut(graph, &generator) }
    try graph.inferTypes()
    var options = Executable.Options()
    options.threadCount = 1
    options.memoryLimit = memoryLimit
    options.tripLimit = 1 << 12
    options.optimizes = !generator.oneIn(8)
    let executable = try Executable(graph, options: options)
    let session = Session(executable)
    var inputs: [RuntimeValue] = []
    for (position, id) in graph.inputs.enumerated() {
      let given = position < example.count ? example[position] : nil
      if isExact, let given {
        inputs.append(given)
        continue
      }
      guard let type = graph[id].type, let value = try value(type, like: given, &generator) else {
        return false
      }
      inputs.append(value)
    }
    _ = try session.run(inputs)
    // Once more, with the plan that is there now.
    _ = try session.run(inputs)
    return true
  }

  /// Cuts a part out of a model and writes it, unless the names do not fit.
  private static func cut(_ graph: Graph, _ generator: inout Generator) throws {
    let names = graph.values.map(\.name)
    func chosenNames() -> [String]? {
      generator.oneIn(3)
        ? nil : (0...generator.below(3)).map { _ in generator.pick(names) ?? "missing" }
    }
    do {
      let part = try graph.submodel(inputs: chosenNames(), outputs: chosenNames())
      try part.validate()
      _ = try ONNXExporter().bytes(part)
    } catch let error as GraftError where error.code != .software {
    }
  }

  /// A value of a type; `nil` if it would be large, or of a kind that none is made of.
  private static func value(
    _ type: ValueType, like example: RuntimeValue?, _ generator: inout Generator
  ) throws -> RuntimeValue? {
    if let example, type.tensor == nil, type.accepts(example), !generator.oneIn(4) {
      return example
    }
    switch type {
    case .tensor(let type):
      return try input(type, like: try? example?.tensor, &generator).map { .tensor($0) }
    case .sequence(let element):
      let elements = try (0..<generator.below(4)).map { _ in
        try value(element, like: nil, &generator)
      }
      return elements.contains { $0 == nil } ? nil : .sequence(elements.compactMap { $0 })
    case .optional(let element):
      return .optional(generator.oneIn(3) ? nil : try value(element, like: nil, &generator))
    case .map(let key, let element):
      let count = generator.below(4)
      let values = try (0..<count).map { _ in try value(element, like: nil, &generator) }
      guard !values.contains(where: { $0 == nil }) else { return nil }
      let keys =
        key == .string
        ? try Tensor(strings: (0..<count).map { "\($0)" }, shape: [count])
        : try Tensor((0..<count).map { Int64($0) }, shape: [count])
      return .map(try RuntimeMap(keys: keys, values: .init(values.compactMap { $0 })))
    case .sparseTensor: return nil
    }
  }

  /// An input of a type: the example's own if it fits; `nil` if it would be large.
  private static func input(
    _ type: TensorType, like example: Tensor?, _ generator: inout Generator
  ) throws -> Tensor? {
    if let example, example.elementType == type.elementType, !generator.oneIn(4),
      type.shape == nil || type.shape == [Dimension](example.shape)
    {
      return example
    }
    var extents: [ByteString: Int] = [:]
    let dimensions =
      type.shape ?? (0..<generator.below(5)).map { _ in Dimension.known(generator.below(4)) }
    let shape = dimensions.map { dimension in
      switch dimension {
      case .known(let extent): return extent
      case .unknown: return generator.below(4)
      case .symbol(let name):
        let extent = extents[name] ?? generator.below(4)
        extents[name] = extent
        return extent
      }
    }
    guard try shape.checkedElementCount() <= elementLimit else { return nil }
    return try tensor(type.elementType, shape, &generator)
  }

  private static func tensor(
    _ elementType: ElementType, _ shape: Shape, _ generator: inout Generator
  ) throws -> Tensor {
    let count = shape.elementCount
    if elementType == .string {
      let strings = (0..<count).map { _ in generator.pick(["", "a", "1e9", "ß"]) ?? "" }
      return try Tensor(strings: strings, shape: shape)
    }
    let result = try Tensor(zeros: elementType, shape: shape)
    func fill<Element: TensorElement>(_: Element.Type, _ make: () -> Element) {
      result.withUnsafeMutableBytes { bytes in
        for index in 0..<count {
          bytes.storeBytes(
            of: make(), toByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
        }
      }
    }
    switch elementType {
    case .float: fill(Float.self) { generator.real() }
    case .double: fill(Double.self) { Double(generator.real()) }
    case .float16: fill(Float16.self) { Float16(generator.real()) }
    case .int64: fill(Int64.self) { Int64(generator.integer()) }
    case .int32: fill(Int32.self) { Int32(truncatingIfNeeded: generator.integer()) }
    case .bool: fill(UInt8.self) { UInt8(generator.below(2)) }
    default:
      // Elements smaller than a byte are extended to one.
      let bound = elementType.isSubByte ? 2 : 256
      result.withUnsafeMutableBytes { bytes in
        for index in bytes.indices { bytes[index] = UInt8(generator.below(bound)) }
      }
    }
    return result
  }
}
