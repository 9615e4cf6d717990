import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The k largest or smallest elements along an axis, in order, and their positions.
///
/// Equal elements are ordered by index. NaN counts as larger than all numbers.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__TopK.html>
struct TopK: Operator {
  static let schema = OperatorSchema(
    "TopK", since: [1, 10, 11, 24], sameSince: 11, inputs: 2...2, outputs: 1...2)

  let axis: Int
  let selectsLargest: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    selectsLargest = try attributes.flag("largest", default: true)
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 10 else { return }
    let reader = AttributeReader(node.attributes)
    let count = try reader.required("k", reader.int("k"))
    node.attributes["k"] = nil
    node.inputs = [node.inputs.first ?? nil, try context.addIntegers([count])]
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset < 10 else { return }
    guard let count = try node.constantIntegers("k", at: 1, in: context)?.first else {
      throw GraftError.unsupported("'k' is not a constant")
    }
    node.attributes["k"] = .int(count)
    node.removeInputs(from: 1)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    try context.require(1, [.int64])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    context.setOutput(1, .int64, nil)
    var shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let extent = shape[axis]
    shape[axis] = .unknown
    context.setOutput(0, elementType, shape)
    context.setOutput(1, .int64, shape)
    let counts = try context.contents(1).integers()
    guard counts.count == 1, let count = counts.first, count >= 0 else {
      throw GraftError.badData("input 1 is \(counts); expected one number of elements")
    }
    if let extent = extent.known, count > extent {
      throw GraftError.badData("cannot take \(count) elements of \(extent) along axis \(axis)")
    }
    shape[axis] = .known(count)
    context.setOutput(0, elementType, shape)
    context.setOutput(1, .int64, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float: return try kernel(context, Float.self)
    case .double: return try kernel(context, Double.self)
    case .int8: return try kernel(context, Int8.self)
    case .int16: return try kernel(context, Int16.self)
    case .int32: return try kernel(context, Int32.self)
    case .int64: return try kernel(context, Int64.self)
    case .uint8: return try kernel(context, UInt8.self)
    case .uint16: return try kernel(context, UInt16.self)
    case .uint32: return try kernel(context, UInt32.self)
    case .uint64: return try kernel(context, UInt64.self)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: Comparable & Sendable>(
    _ context: PrepareContext, _: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let axis = try normalizedAxis(axis, rank: shape.count)
    let input = AxisSplit(shape, axis: axis)
    // Either output may be unused.
    let outputs = context.outputs.compactMap { $0 }
    guard let count = outputs.first?.shape[axis], count > 0 else { return .tasks(0) { _, _ in } }
    let selectsLargest = selectsLargest
    return .parallel(
      count: input.columnCount, grain: max(1, 4096 / max(1, input.extent)),
      workerScratchByteCount: count * MemoryLayout<Int>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let places = scratch.bindMemory(to: Int.self, capacity: count)
      let elements = arguments.input(0, as: Element.self)
      let values = arguments.optionalOutput(0, as: Element.self)
      let indices = arguments.optionalOutput(1, as: Int64.self)
      for column in range {
        let (outer, inner) = column.quotientAndRemainder(dividingBy: input.innerCount)
        let selection = Selection(
          elements: elements + outer * input.extent * input.innerCount + inner,
          stride: input.innerCount, selectsLargest: selectsLargest, places: places, count: count)
        selection.select(from: input.extent)
        for rank in 0..<count {
          let target = (outer * count + rank) * input.innerCount + inner
          values?[target] = selection.element(places[rank])
          indices?[target] = Int64(places[rank])
        }
      }
    }
  }

  /// dx is dy where elements were selected, 0 elsewhere.
  func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let selected = builder.add(
      "TopK", [input, try builder.input(1)], attributes: builder.node.attributes, outputCount: 2)
    let shape = builder.add("Shape", [input])
    let zeros = builder.add("Expand", [try builder.addScalar(0, like: input), shape])
    builder.setInputGradient(
      0,
      builder.add(
        "ScatterElements", [zeros, selected[1], try builder.outputGradient()],
        attributes: ["axis": .int(axis)]))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([0, 1, 2, 3, 4, 5, 6, 7, 11, 10, 9, 8], [3, 4])
    return [
      OperatorExample(
        "largest", inputs: [matrix, .integers([3], [1])],
        outputs: [
          .floats([3, 2, 1, 7, 6, 5, 11, 10, 9], [3, 3]),
          .integers([3, 2, 1, 3, 2, 1, 0, 1, 2], [3, 3]),
        ], differentiableInputs: [0]),
      OperatorExample(
        "smallest along the first axis", attributes: ["axis": .int(0), "largest": .int(0)],
        inputs: [matrix, .integers([2], [1])],
        outputs: [
          .floats([0, 1, 2, 3, 4, 5, 6, 7], [2, 4]), .integers([0, 0, 0, 0, 1, 1, 1, 1], [2, 4]),
        ]),
      OperatorExample(
        "equal elements", inputs: [.floats([1, 2, 2, 0, 2, 1], [6]), .integers([4], [1])],
        outputs: [.floats([2, 2, 2, 1], [4]), .integers([1, 2, 4, 0], [4])]),
      OperatorExample(
        "NaN", attributes: ["largest": .int(0)],
        inputs: [.floats([.nan, 2, -.infinity], [3]), .integers([3], [1])],
        outputs: [.floats([-.infinity, 2, .nan], [3]), .integers([2, 1, 0], [3])]),
      OperatorExample(
        "none", inputs: [matrix, .integers([0], [1])],
        outputs: [.floats([], [3, 0]), .integers([], [3, 0])]),
    ]
  }
}

/// The best elements of a column: a heap with the worst of them at the top, sorted at the end.
private struct Selection<Element: Comparable> {
  let elements: UnsafePointer<Element>
  let stride: Int
  let selectsLargest: Bool
  let places: UnsafeMutablePointer<Int>
  let count: Int

  @inline(__always)
  func element(_ place: Int) -> Element { elements[place * stride] }

  /// Whether the element at `first` comes before the one at `second`; a total order.
  @inline(__always)
  func precedes(_ first: Int, _ second: Int) -> Bool {
    let left = element(first)
    let right = element(second)
    if left > right { return selectsLargest }
    if left < right { return !selectsLargest }
    let leftIsNaN = left != left
    let rightIsNaN = right != right
    if leftIsNaN != rightIsNaN { return leftIsNaN == selectsLargest }
    return first < second
  }

  /// Fills `places` with the best `count` of `extent` elements, the best first.
  func select(from extent: Int) {
    for place in 0..<count { places[place] = place }
    for parent in Swift.stride(from: count / 2 - 1, through: 0, by: -1) {
      siftDown(from: parent, count: count)
    }
    for place in count..<max(count, extent) where precedes(place, places[0]) {
      places[0] = place
      siftDown(from: 0, count: count)
    }
    for end in Swift.stride(from: count - 1, to: 0, by: -1) {
      exchange(0, end)
      siftDown(from: 0, count: end)
    }
  }

  private func exchange(_ first: Int, _ second: Int) {
    let place = places[first]
    places[first] = places[second]
    places[second] = place
  }

  private func siftDown(from start: Int, count: Int) {
    var parent = start
    while true {
      var worst = parent
      let left = 2 * parent + 1
      if left < count, precedes(places[worst], places[left]) { worst = left }
      if left + 1 < count, precedes(places[worst], places[left + 1]) { worst = left + 1 }
      guard worst != parent else { return }
      exchange(parent, worst)
      parent = worst
    }
  }
}
