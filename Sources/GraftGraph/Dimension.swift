import GraftFiles
import GraftTensor

/// An extent of a shape, if known before the graph runs.
package enum Dimension: Hashable, Sendable {
  case known(Int)
  /// The same name means the same extent throughout a graph.
  case symbol(ByteString)
  case unknown

  package var known: Int? {
    if case .known(let extent) = self { extent } else { nil }
  }

  /// The extent after `transform`; unknown if this one is.
  package func map(_ transform: (Int) throws -> Int) rethrows -> Dimension {
    guard let known else { return .unknown }
    return .known(try transform(known))
  }

  /// The combination of two extents; unknown if one of them is.
  package static func combine(
    _ first: Dimension, _ second: Dimension, _ transform: (Int, Int) throws -> Int
  ) rethrows -> Dimension {
    guard let first = first.known, let second = second.known else { return .unknown }
    return .known(try transform(first, second))
  }
}

extension Dimension: CustomStringConvertible, ExpressibleByIntegerLiteral {
  package init(integerLiteral value: Int) { self = .known(value) }

  package var description: String {
    switch self {
    case .known(let extent): String(extent)
    case .symbol(let name): name.text
    case .unknown: "?"
    }
  }
}

extension Array where Element == Dimension {
  package init(_ shape: [Int]) { self = shape.map(Dimension.known) }

  /// All extents, if all are known.
  package var knownShape: [Int]? {
    var shape: [Int] = []
    shape.reserveCapacity(count)
    for dimension in self {
      guard let extent = dimension.known else { return nil }
      shape.append(extent)
    }
    return shape
  }

  /// The number of elements, if all extents are known.
  package var elementCount: Dimension {
    knownShape.map { .known($0.elementCount) } ?? .unknown
  }
}

/// The shape that several shapes broadcast to.
///
/// Source: <https://onnx.ai/onnx/repo-docs/Broadcasting.html>
/// - Throws: `GraftError` if two known extents differ and neither is 1
package func broadcast(_ shapes: [[Dimension]]) throws -> [Dimension] {
  let rank = shapes.map(\.count).max() ?? 0
  var result = [Dimension](repeating: 1, count: rank)
  for shape in shapes {
    for (index, dimension) in shape.enumerated() {
      let axis = rank - shape.count + index
      switch (result[axis], dimension) {
      case (let old, let new) where old == new: break
      case (_, .known(1)): break
      case (.known(1), _): result[axis] = dimension
      case (.known(let old), .known(let new)):
        throw GraftError.badData(
          "shapes \(shapes.map { "\($0)" }.joined(separator: " and ")) cannot be broadcast: "
            + "\(old) and \(new) differ")
      // An extent above 1 takes precedence over one that must turn out to be 1 or the same.
      case (.known, _): break
      case (_, .known): result[axis] = dimension
      default: result[axis] = .unknown
      }
    }
  }
  return result
}
