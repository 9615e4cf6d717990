import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of DFT.
struct FourierAttributes: Sendable {
  let isInverse: Bool
  let isOneSided: Bool

  init(_ attributes: AttributeReader) throws {
    isInverse = try attributes.flag("inverse")
    isOneSided = try attributes.flag("onesided")
  }
}

/// How DFT transforms a tensor of known shape.
struct FourierGeometry: Sendable {
  /// The points of the transform.
  let length: Int
  /// The points along the axis of the input and of the output.
  let inputCount: Int
  let outputCount: Int
  let isComplex: Bool
  let isOutputComplex: Bool
  private let outer: Int
  private let inner: Int

  /// - Parameters:
  ///   - shape: of the input
  ///   - length: the value of `dft_length`
  init(_ attributes: FourierAttributes, shape: Shape, length: Int?, axis: Int?) throws {
    let axis = try Self.normalized(axis, rank: shape.count)
    inputCount = shape[axis]
    self.length = try Self.length(attributes, points: shape[axis], given: length)
    outputCount = Self.outputCount(attributes, length: self.length)
    isComplex = shape[shape.count - 1] == 2
    isOutputComplex = !(attributes.isInverse && attributes.isOneSided)
    outer = shape[..<axis].reduce(1, *)
    inner = shape[(axis + 1)..<(shape.count - 1)].reduce(1, *)
  }

  /// The shape of the output; `nil` if its rank is not known.
  ///
  /// The inputs after `input` are `dft_length` and `axis`.
  static func outputShape(
    _ attributes: FourierAttributes, input: Int, _ context: inout InferenceContext
  ) throws -> [Dimension]? {
    for index in [input + 1, input + 2] where context.hasInput(index) {
      try context.require(index, index == input + 1 ? [.int32, .int64] : [.int64])
      try context.requireOneElement(index)
    }
    let shape = try context.shape(input)
    guard shape.count >= 2 else {
      throw GraftError.badData("input \(input) has rank \(shape.count); expected at least 2")
    }
    if let parts = shape[shape.count - 1].known {
      let allowed =
        attributes.isOneSided ? (attributes.isInverse ? [2] : [1]) : [1, 2]
      guard allowed.contains(parts) else {
        throw GraftError.badData(
          "the last extent of input \(input) is \(parts); expected "
            + (allowed.count > 1
              ? "1 or 2"
              : "\(allowed[0]), as a one-sided transform is one of "
                + (attributes.isInverse ? "complex" : "real") + " points"))
      }
    }
    let axis = try normalized(context.integers(input + 2)?.first, rank: shape.count)
    let given = try context.integers(input + 1)?.first
    var result = shape
    if let given {
      result[axis] = .known(
        outputCount(attributes, length: try length(attributes, points: 1, given: given)))
    } else if attributes.isOneSided {
      result[axis] = try shape[axis].map {
        outputCount(attributes, length: try length(attributes, points: $0, given: nil))
      }
    } else if let points = shape[axis].known {
      _ = try length(attributes, points: points, given: nil)
    }
    result[shape.count - 1] = attributes.isInverse && attributes.isOneSided ? 1 : 2
    return result
  }

  private static func normalized(_ axis: Int?, rank: Int) throws -> Int {
    let axis = axis ?? -2
    let counted = axis < 0 && axis >= -rank ? axis + rank : axis
    guard counted >= 0, counted <= rank - 2 else {
      throw GraftError.badData(
        "axis \(axis) is out of range for rank \(rank), whose last axis holds the parts of numbers")
    }
    return counted
  }

  private static func length(
    _ attributes: FourierAttributes, points: Int, given: Int?
  ) throws -> Int {
    let isHalf = attributes.isInverse && attributes.isOneSided
    let length = given ?? (isHalf ? 2 * (points - 1) : points)
    guard length > 0 else {
      throw GraftError.badData("a transform of \(length) points is not defined")
    }
    guard length <= 1 << 30 else {
      throw GraftError.unsupported("a transform of \(length) points; up to 2^30 are supported")
    }
    return length
  }

  private static func outputCount(_ attributes: FourierAttributes, length: Int) -> Int {
    attributes.isOneSided && !attributes.isInverse ? length / 2 + 1 : length
  }

  /// A kernel that transforms input 0.
  ///
  /// - Parameter isAdjoint: whether input 0 has the shape of the output, and output 0 that of the
  ///   input
  func kernel<Element: RealElement>(
    _: Element.Type, _ operation: FourierOperation, isAdjoint: Bool, _ context: PrepareContext
  ) throws -> PreparedKernel {
    func steps(_ count: Int, _ isComplex: Bool) -> FourierLines.Steps {
      let parts = isComplex ? 2 : 1
      let block = count * inner * parts
      // Without inner elements the blocks are the lines.
      return inner == 1
        ? .init(block: 0, line: block, point: parts)
        : .init(block: block, line: parts, point: inner * parts)
    }
    let input = steps(inputCount, isComplex)
    let output = steps(outputCount, isOutputComplex)
    let table = context.instructionSet.fourierTable(Element.self)
    let lines = FourierLines(
      blockCount: inner == 1 ? 1 : outer, lineCount: inner == 1 ? outer : inner,
      input: isAdjoint ? output : input, output: isAdjoint ? input : output, points: length,
      vector: Int(table.pointee.lane_count))
    return try FourierKernel<Element>(operation, lines, context.instructionSet).kernel()
  }
}

extension [Int] {
  /// The value of an input that is a scalar.
  ///
  /// - Throws: `GraftError` if there is none
  func requiredFirst(_ what: String) throws -> Int {
    guard let first else { throw GraftError.badData("'\(what)' is empty; expected a scalar") }
    return first
  }
}
