import GraftFiles
import GraftGraph

/// The elements that ``Pad`` adds.
package enum PadMode: String, CaseIterable {
  case constant, reflect, edge, wrap

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "mode", default: "constant", of: PadMode.allCases.map(\.rawValue))
    self = PadMode(rawValue: name) ?? .constant
  }
}

/// The elements to add before and after each axis; negative amounts are removed first.
struct Padding {
  private(set) var begins: [Int]
  private(set) var ends: [Int]

  /// - Parameter pads: the begins of all `axes`, then their ends
  /// - Throws: `GraftError` if the numbers do not match
  init(_ pads: [Int], axes: [Int]?, rank: Int) throws {
    let axes = try normalizedAxes(axes, rank: rank)
    guard pads.count == 2 * axes.count else {
      throw GraftError.badData("has \(pads.count) pads for \(axes.count) axes")
    }
    guard pads.allSatisfy({ $0.magnitude <= 1 << 48 }) else {
      throw GraftError.badData("the pads \(pads) are too large")
    }
    begins = Array(repeating: 0, count: rank)
    ends = begins
    for (number, axis) in axes.enumerated() {
      begins[axis] = pads[number]
      ends[axis] = pads[axes.count + number]
    }
  }

  /// - Throws: `GraftError` if too much is removed, or nothing is left to repeat
  func extent(_ dimension: Dimension, axis: Int, mode: PadMode) throws -> Dimension {
    if begins[axis] == 0, ends[axis] == 0 { return dimension }
    return try dimension.map { extent in
      let kept = extent + min(0, begins[axis]) + min(0, ends[axis])
      let padded = extent + begins[axis] + ends[axis]
      guard kept >= 0, mode == .constant || kept > 0 || padded == 0 else {
        throw GraftError.badData(
          "pads \(begins[axis]) and \(ends[axis]) do not fit axis \(axis) of extent \(extent)")
      }
      return padded
    }
  }

  /// For each index of the padded axis, the index of its element in the input.
  func indices(_ extent: Int, axis: Int, mode: PadMode) -> [Int?] {
    let first = max(0, -begins[axis])
    let kept = extent + min(0, begins[axis]) + min(0, ends[axis])
    return (0..<extent + begins[axis] + ends[axis]).map { index in
      let place = index - max(0, begins[axis])
      func remainder(_ period: Int) -> Int {
        let rest = place % period
        return rest < 0 ? rest + period : rest
      }
      switch mode {
      case .constant: return place >= 0 && place < kept ? first + place : nil
      case .edge: return first + max(0, min(place, kept - 1))
      case .wrap: return first + remainder(kept)
      case .reflect:
        guard kept > 1 else { return first }
        let rest = remainder(2 * (kept - 1))
        return first + min(rest, 2 * (kept - 1) - rest)
      }
    }
  }
}
