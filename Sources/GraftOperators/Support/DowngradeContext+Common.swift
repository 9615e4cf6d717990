import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension DowngradeContext {
  /// A value with axes of extent 1 dropped.
  mutating func reshaped(_ id: ValueID?, dropping axes: [Int]) throws -> ValueID {
    if let constant = constant(id) {
      let shape = constant.shape.indices.filter { !axes.contains($0) }.map { constant.shape[$0] }
      return addConstant(try constant.reshaped(shape))
    }
    return try addBefore("Squeeze", [id, try addIntegers(axes)])
  }

  /// A value with axes of extent 1 inserted.
  mutating func reshaped(_ id: ValueID?, inserting axes: [Int]) throws -> ValueID {
    try addBefore("Unsqueeze", [id, try addIntegers(axes)])
  }

  /// The target with which Reshape computes `output` from `input`: 0 for unchanged extents, -1 for
  /// an unknown one; `nil` if too many are unknown.
  func staticShape(of output: ValueID?, from input: ValueID?) -> [Int]? {
    guard let shape = type(output)?.shape else { return nil }
    let old = type(input)?.shape ?? []
    let target = shape.enumerated().map { axis, dimension -> Int in
      if let extent = dimension.known { return extent }
      return axis < old.count && dimension != .unknown && old[axis] == dimension ? 0 : -1
    }
    // An extent of 0 does not mean unchanged.
    guard !shape.contains(0), target.filter({ $0 == -1 }).count <= 1 else { return nil }
    return target
  }
}

extension Node {
  /// Before opset 11, indices count from the front.
  ///
  /// - Throws: `GraftError` if they may not
  func requireIndicesFromFront(at index: Int, in context: DowngradeContext) throws {
    guard !context.isFromFile(before: 11) else { return }
    guard let indices = context.constant(inputs[index]),
      try indices.integers().allSatisfy({ $0 >= 0 })
    else { throw GraftError.unsupported("indices may be negative") }
  }

  /// Operators on any number of inputs do not broadcast before opset 8.
  ///
  /// - Throws: `GraftError` if the shapes are not known to be equal
  func requireEqualShapes(in context: DowngradeContext) throws {
    let shapes = inputs.map { context.type($0)?.shape }
    for shape in shapes.dropFirst() {
      guard let shape, let first = shapes[0] else {
        guard context.isFromFile(before: 8) else {
          throw GraftError.unsupported("its shapes may differ")
        }
        continue
      }
      let isEqual =
        shape.count == first.count
        && zip(shape, first).allSatisfy { context.isEqual($0, $1, before: 8) }
      guard isEqual else { throw GraftError.unsupported("it broadcasts") }
    }
  }

  /// Declares the broadcasting of input 1 as before opset 7; the inverse of `upgradeBroadcast`.
  mutating func downgradeBroadcast(
    isCommutative: Bool, in context: inout DowngradeContext
  ) throws {
    guard var left = context.type(inputs[0])?.shape, var right = context.type(inputs[1])?.shape
    else {
      guard context.isFromFile(before: 7) else {
        throw GraftError.unsupported("the ranks of its inputs are unknown")
      }
      attributes["broadcast"] = .int(1)
      return
    }
    let isNarrower =
      left.count < right.count
      || left.count == right.count && left.elementCount.known ?? 2 < right.elementCount.known ?? 1
    if isCommutative, isNarrower {
      inputs.swapAt(0, 1)
      swap(&left, &right)
    }
    let isSame =
      left.count == right.count
      && zip(left, right).allSatisfy { context.isEqual($0, $1, before: 7) }
    if isSame { return }
    guard right.count <= left.count else { throw GraftError.unsupported("it broadcasts input 0") }
    attributes["broadcast"] = .int(1)
    if right.allSatisfy({ $0 == 1 }) { return }
    // Drops extents of 1 on both sides, so that the rest is a part of the other shape.
    let start = left.count - right.count
    func differs(_ axis: Int) -> Bool { right[axis] == 1 && left[start + axis] != 1 }
    let leading = right.indices.prefix(while: differs)
    let trailing = right.indices.reversed().prefix(while: differs)
    let kept = leading.count..<(right.count - trailing.count)
    guard kept.allSatisfy({ context.isEqual(left[start + $0], right[$0], before: 7) }) else {
      throw GraftError.unsupported("its form of broadcasting is newer")
    }
    let dropped = Array(leading) + trailing.reversed()
    if !dropped.isEmpty { inputs[1] = try context.reshaped(inputs[1], dropping: dropped) }
    if !trailing.isEmpty { attributes["axis"] = .int(start + leading.count) }
  }

  /// Drops dilations of 1, the default.
  mutating func dropDilationsOfOne() throws {
    let dilations = try AttributeReader(attributes).ints("dilations") ?? []
    if dilations.allSatisfy({ $0 == 1 }) { attributes["dilations"] = nil }
  }
}

extension DowngradeContext {
  /// Whether two extents are equal. Unknown ones in a file of an opset before `version` are, since
  /// nothing else was allowed.
  fileprivate func isEqual(_ left: Dimension, _ right: Dimension, before version: Int) -> Bool {
    if left == right, left != .unknown { return true }
    return isFromFile(before: version) && (left.known == nil || right.known == nil)
  }
}
