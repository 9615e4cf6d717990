import GraftFiles
import GraftGraph
import GraftTensor

extension Collection where Element == Dimension {
  /// The product of these extents, if known; a single symbol among ones stays that symbol.
  ///
  /// - Throws: `GraftError` if the product overflows
  func product() throws -> Dimension {
    if let known = Array(self).knownShape { return .known(try known.checkedElementCount()) }
    let others = filter { $0 != 1 }
    return others.count == 1 ? others[0] : .unknown
  }

  /// The sum of these extents, if known.
  ///
  /// - Throws: `GraftError` if the sum overflows
  func sum() throws -> Dimension {
    let others = filter { $0 != 0 }
    if others.count == 1 { return others[0] }
    var total = 0
    for dimension in others {
      guard let extent = dimension.known else { return .unknown }
      let (sum, overflow) = total.addingReportingOverflow(extent)
      guard !overflow else { throw GraftError.badData("extents add up to too much") }
      total = sum
    }
    return .known(total)
  }
}

extension Dimension {
  /// Whether this and `other` can be the same extent.
  func isCompatible(with other: Dimension) -> Bool {
    guard let known, let otherKnown = other.known else { return true }
    return known == otherKnown
  }
}

/// Axes counted from the front; all of `0 ..< rank` if `axes` is `nil`.
///
/// - Throws: `GraftError` if one is out of range or repeated
func normalizedAxes(_ axes: [Int]?, rank: Int) throws -> [Int] {
  guard let axes else { return Array(0..<rank) }
  var seen: Set<Int> = []
  return try axes.map { axis in
    let normalized = try normalizedAxis(axis, rank: rank)
    guard seen.insert(normalized).inserted else {
      throw GraftError.badData("axis \(axis) is given twice")
    }
    return normalized
  }
}

extension InferenceContext {
  /// The extents in a one-dimensional int64 input, none of them negative.
  ///
  /// - Throws: `GraftError` if one is negative or there are too many elements.
  func extents(_ index: Int) throws -> Shape {
    let extents = try contents(index).integers()
    _ = try extents.checkedElementCount()
    return extents
  }

  /// - Throws: `GraftError` if the input cannot have this shape.
  func requireShape(_ index: Int, _ expected: [Dimension]) throws {
    guard let shape = try input(index).shape else { return }
    guard shape.count == expected.count,
      zip(shape, expected).allSatisfy({ $0.isCompatible(with: $1) })
    else {
      throw GraftError.badData("input \(index) has shape \(shape); expected \(expected)")
    }
  }

  /// The number of elements of a one-dimensional input of shapes, axes or counts, if known.
  ///
  /// - Throws: `GraftError` if the input has another rank
  func vectorLength(_ index: Int) throws -> Int? {
    guard let shape = try input(index).shape else { return nil }
    guard shape.count == 1 else {
      throw GraftError.badData("input \(index) has rank \(shape.count); expected 1")
    }
    return shape[0].known
  }
}

extension GradientBuilder {
  /// Zeros of the type and shape of a value.
  mutating func addZeros(like id: ValueID) throws -> ValueID {
    guard let elementType = type(of: id)?.elementType else {
      throw GraftError(.software, "a gradient needs the type of every value")
    }
    let shape = add("Shape", [id])
    let zero = try Tensor(zeros: elementType, shape: [1])
    return add("ConstantOfShape", [shape], attributes: ["value": .tensor(zero)])
  }

  /// The gradient of an operator whose output has the elements of input 0 in the same order.
  mutating func setReshapedInputGradient() throws {
    guard needs(0) else { return }
    let shape = add("Shape", [try input(0)])
    setInputGradient(
      0, add("Reshape", [try outputGradient(), shape], attributes: ["allowzero": .int(1)]))
  }

  mutating func addIntegers(_ integers: [Int]) throws -> ValueID {
    addConstant(try Tensor(integers.map(Int64.init), shape: [integers.count]))
  }
}
