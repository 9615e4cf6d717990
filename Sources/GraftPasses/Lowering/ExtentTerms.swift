import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Tells which extents of a graph with dynamic axes are the same, from the nodes that compute
/// shapes.
final class ExtentTerms {
  /// An extent, or an element of a shape. Equal terms have the same value in every run.
  enum Term: Hashable {
    /// Also elements that are no extents, such as the -1 of Reshape.
    case known(Int)
    case symbol(ByteString)
    /// The extent of an axis of which nothing else is known.
    case axis(ValueID, Int)
  }

  private struct Place: Hashable {
    let value: ValueID
    let index: Int
  }

  private let graph: Graph
  private let producers: [ValueID: Int]
  private var extents: [Place: Term] = [:]
  private var entries: [Place: Term?] = [:]
  private var depth = 0

  /// How many nodes are looked through.
  private static let depthLimit = 64

  init(_ graph: Graph, _ producers: [ValueID: Int]) {
    self.graph = graph
    self.producers = producers
  }

  private func producer(_ id: ValueID?) -> Node? {
    id.flatMap { producers[$0] }.map { graph.nodes[$0] }
  }

  // MARK: Extents

  /// The extents of all axes; `nil` if the rank is unknown.
  func extents(_ value: ValueID?) -> [Term]? {
    guard let value, let rank = graph.rank(value) else { return nil }
    return (0..<rank).map { extent(value, $0) }
  }

  func extent(_ value: ValueID, _ axis: Int) -> Term {
    let place = Place(value: value, index: axis)
    if let term = extents[place] { return term }
    guard depth < Self.depthLimit else { return .axis(value, axis) }
    depth += 1
    defer { depth -= 1 }
    let term = declared(value, axis) ?? (try? computed(value, axis)) ?? .axis(value, axis)
    extents[place] = term
    return term
  }

  private func declared(_ value: ValueID, _ axis: Int) -> Term? {
    guard let shape = graph[value].type?.tensor?.shape, shape.indices.contains(axis) else {
      return nil
    }
    switch shape[axis] {
    case .known(let extent): return .known(extent)
    case .symbol(let name): return .symbol(name)
    case .unknown: return nil
    }
  }

  /// The extent by the node that computes the value; `nil` if it does not tell.
  private func computed(_ value: ValueID, _ axis: Int) throws -> Term? {
    guard let node = producer(value), node.outputs.first == value,
      let type = OperatorCatalog.type(of: node), let rank = graph.rank(value)
    else { return nil }
    if type.operandCount > 0 { return broadcast(node.inputs.prefix(type.operandCount), axis, rank) }
    guard let input = node.inputs.first ?? nil, let inputRank = graph.rank(input) else {
      return nil
    }
    if let permutation = try node.operation(as: Transpose.self)?.permutation {
      return permutation.count == rank ? extent(input, permutation[axis]) : nil
    }
    if node.is(Reshape.self) { return try reshaped(node, input, axis) }
    if node.is(Unsqueeze.self) || node.is(Squeeze.self) {
      return try kept(node, axis, rank, of: input, inputRank)
    }
    if let concat = try node.operation(as: Concat.self) {
      guard try normalizedAxis(concat.axis, rank: rank) != axis else { return nil }
      return extent(input, axis)
    }
    if node.is(Slice.self) {
      guard node.inputs.count > 3, let axes = try graph.constant(node.inputs[3])?.integers(),
        try axes.allSatisfy({ try normalizedAxis($0, rank: rank) != axis })
      else { return nil }
      return extent(input, axis)
    }
    if node.is(MatMul.self) || node.is(FusedMatMul.self) {
      // The leading axes are those of the left side, if the right side is one matrix.
      guard axis < rank - 1, inputRank == rank,
        axis == rank - 2 || graph.rank(node.inputs[1]) == 2
      else { return nil }
      return extent(input, axis)
    }
    if node.is(RangeOperator.self) {
      guard entry(input, 0) == .known(0), entry(node.inputs[2], 0) == .known(1) else { return nil }
      return entry(node.inputs[1], 0)
    }
    if let gather = try node.operation(as: Gather.self) {
      guard let indices = node.inputs[1], let indexRank = graph.rank(indices) else { return nil }
      let gathered = try normalizedAxis(gather.axis, rank: inputRank)
      if axis < gathered { return extent(input, axis) }
      return axis < gathered + indexRank
        ? extent(indices, axis - gathered) : extent(input, axis - indexRank + 1)
    }
    let keeps =
      node.is(Identity.self) || node.is(Softmax.self) || node.is(LayerNormalization.self)
      || node.is(RMSNormalization.self)
    return keeps && inputRank == rank ? extent(input, axis) : nil
  }

  /// The extent of operands that broadcast.
  private func broadcast(_ operands: ArraySlice<ValueID?>, _ axis: Int, _ rank: Int) -> Term? {
    var found: Term?
    for operand in operands {
      guard let operand, let operandRank = graph.rank(operand) else { return nil }
      guard axis >= rank - operandRank else { continue }
      let term = extent(operand, axis - (rank - operandRank))
      guard term != .known(1) else { continue }
      guard found == nil || found == term else { return nil }
      found = term
    }
    return found ?? .known(1)
  }

  private func reshaped(_ node: Node, _ input: ValueID, _ axis: Int) throws -> Term? {
    guard let output = node.outputs[0], let rank = graph.rank(output),
      let term = entry(node.inputs[1], axis)
    else { return nil }
    if term == .known(0) {
      let isLiteral = try AttributeReader(node.attributes).flag("allowzero")
      return isLiteral ? nil : extent(input, axis)
    }
    guard term == .known(-1) else { return term }
    // What is left of the input's extents when those of the other axes cancel.
    guard var rest = extents(input) else { return nil }
    var divisor = 1
    for other in 0..<rank where other != axis {
      let term = extent(output, other)
      if case .known(let extent) = term {
        let (product, overflow) = divisor.multipliedReportingOverflow(by: extent)
        guard !overflow, product > 0 else { return nil }
        divisor = product
      } else if let place = rest.firstIndex(of: term) {
        rest.remove(at: place)
      } else {
        return nil
      }
    }
    var dividend = 1
    var unknown: [Term] = []
    for term in rest {
      guard case .known(let extent) = term else {
        unknown.append(term)
        continue
      }
      let (product, overflow) = dividend.multipliedReportingOverflow(by: extent)
      guard !overflow, product > 0 else { return nil }
      dividend = product
    }
    if unknown.isEmpty { return dividend % divisor == 0 ? .known(dividend / divisor) : nil }
    return unknown.count == 1 && dividend == divisor ? unknown[0] : nil
  }

  /// The extent of an axis around which Squeeze or Unsqueeze takes or puts others.
  private func kept(
    _ node: Node, _ axis: Int, _ rank: Int, of input: ValueID, _ inputRank: Int
  ) throws -> Term? {
    let isLonger = node.is(Unsqueeze.self)
    guard node.inputs.count > 1, let constant = try graph.constant(node.inputs[1])?.integers()
    else { return nil }
    let axes = try Set(constant.map { try normalizedAxis($0, rank: max(rank, inputRank)) })
    if isLonger, axes.contains(axis) { return .known(1) }
    let longer = (0..<max(rank, inputRank)).filter { !axes.contains($0) }
    if isLonger { return longer.firstIndex(of: axis).map { extent(input, $0) } }
    return longer.indices.contains(axis) ? extent(input, longer[axis]) : nil
  }

  // MARK: Elements of shapes

  /// An element of a vector, or of a scalar, of integers; `nil` if it is not known.
  func entry(_ value: ValueID?, _ index: Int) -> Term? {
    guard let value else { return nil }
    let place = Place(value: value, index: index)
    if let term = entries[place] { return term }
    guard depth < Self.depthLimit else { return nil }
    depth += 1
    defer { depth -= 1 }
    let term = (try? computedEntry(value, index)) ?? nil
    entries[place] = .some(term)
    return term
  }

  private func computedEntry(_ value: ValueID, _ index: Int) throws -> Term? {
    guard let type = graph.elementType(value), [.int64, .int32].contains(type),
      (graph.rank(value) ?? 2) <= 1
    else { return nil }
    if let constant = graph.constant(value) {
      let integers = try constant.integers()
      return integers.indices.contains(index) ? .known(integers[index]) : nil
    }
    guard let node = producer(value), let input = node.inputs.first ?? nil else { return nil }
    if let shape = try node.operation(as: ShapeOperator.self) {
      guard let rank = graph.rank(input) else { return nil }
      let axis = (shape.start < 0 ? max(0, shape.start + rank) : shape.start) + index
      return axis < rank ? extent(input, axis) : nil
    }
    if node.is(Concat.self) {
      var start = 0
      for part in node.inputs {
        guard let count = length(part) else { return nil }
        if index < start + count { return entry(part, index - start) }
        start += count
      }
      return nil
    }
    if let gather = try node.operation(as: Gather.self) {
      guard graph.rank(input) == 1, gather.axis == 0 || gather.axis == -1,
        let indices = try graph.constant(node.inputs[1])?.integers(),
        indices.indices.contains(index)
      else { return nil }
      let place = indices[index]
      if place >= 0 { return entry(input, place) }
      return length(input).flatMap { place + $0 < 0 ? nil : entry(input, place + $0) }
    }
    if node.is(Slice.self) {
      guard graph.rank(input) == 1,
        let start = try graph.constant(node.inputs[1])?.integers().first,
        let count = length(input),
        try node.inputs.count < 5 || graph.constant(node.inputs[4])?.integers() == [1]
      else { return nil }
      let first = start < 0 ? max(0, start < -count ? 0 : start + count) : start
      return first < count ? entry(input, first + index) : nil
    }
    if node.is(Where.self) { return try selected(node, index) }
    if node.is(Mul.self), graph.rank(input) == graph.rank(value),
      case .known(let left)? = entry(input, index),
      case .known(let right)? = entry(
        node.inputs[1], graph.rank(node.inputs[1]) == 0 ? 0 : index)
    {
      let (product, overflow) = left.multipliedReportingOverflow(by: right)
      return overflow ? nil : .known(product)
    }
    let keeps =
      node.is(Unsqueeze.self) || node.is(Squeeze.self) || node.is(Cast.self)
      || node.is(Identity.self) || node.is(Reshape.self)
    return keeps && (graph.rank(input) ?? 2) <= 1 ? entry(input, index) : nil
  }

  /// The number of elements of a vector or a scalar.
  private func length(_ value: ValueID?) -> Int? {
    guard let value, let shape = graph[value].type?.tensor?.shape, shape.count <= 1 else {
      return nil
    }
    return shape.isEmpty ? 1 : shape[0].known
  }

  /// What Where takes of extents, in the place of which exporters put 1 if they are -1.
  private func selected(_ node: Node, _ index: Int) throws -> Term? {
    guard let test = producer(node.inputs[0]), test.is(Equal.self),
      let left = entry(test.inputs[0], index), let right = entry(test.inputs[1], index)
    else { return nil }
    if left == right { return entry(node.inputs[1], index) }
    switch (left, right) {
    case (.known, .known): return entry(node.inputs[2], index)
    case (.known(let number), _), (_, .known(let number)):
      return number < 0 ? entry(node.inputs[2], index) : nil
    default: return nil
    }
  }
}
