import GraftExecution
import GraftFiles
import GraftTensor

/// What happens to scores between the product and softmax.
extension AttentionKernel {
  /// What happens to products before softmax.
  func change(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, _ arguments: KernelArguments,
    _ scratch: UnsafeMutablePointer<Element>, _ number: Int, _ rows: Range<Int>,
    sees: UnsafeMutablePointer<Element>, offset: Int, limit: Int
  ) throws {
    if writesScores, attention?.scoreOutput == .products {
      writeScores(scores, arguments, number, rows)
    }
    cap(scores, count: rows.count * block.count)
    if writesScores, attention?.scoreOutput == .capped {
      writeScores(scores, arguments, number, rows)
    }
    if attention != nil || !masks.isEmpty {
      for (index, row) in rows.enumerated() {
        let seen = visible(row: row, offset: offset, limit: limit)
        let isSeen = try mask(
          scores + index * block.count, block, seen: seen, arguments, scratch, number, row)
        sees[index] = isSeen || specialRows != .zeroesUnseen ? 1 : 0
      }
    }
    if writesScores, attention?.scoreOutput == .biased {
      writeScores(scores, arguments, number, rows)
    }
  }

  /// Bounds scores: softcap · tanh(score / softcap).
  private func cap(_ scores: UnsafeMutablePointer<Element>, count: Int) {
    guard softcap > 0 else { return }
    let cap = Element(softcap)
    for i in 0..<count {
      // tanh x = 1 - 2 / (e^2x + 1)
      let power = Element.exponential(2 * scores[i] / cap)
      scores[i] = cap * (1 - 2 / (power + 1))
    }
  }

  /// Applies the masks to a row of scores of a block of keys; false if one forbids all of them.
  private func mask(
    _ scores: UnsafeMutablePointer<Element>, _ block: Range<Int>, seen: Range<Int>,
    _ arguments: KernelArguments, _ scratch: UnsafeMutablePointer<Element>, _ number: Int,
    _ row: Int
  ) throws -> Bool {
    var seen = seen.clamped(to: block)
    for mask in masks { seen = seen.clamped(to: 0..<mask.keyCount) }
    var sees = !seen.isEmpty
    for mask in masks where !seen.isEmpty {
      let start =
        mask.matrices.offset(number, extents) + row * mask.matrices.rowStride
        + seen.lowerBound * mask.matrices.columnStride
      let allows = try apply(
        mask, at: start, to: scores + (seen.lowerBound - block.lowerBound), count: seen.count,
        arguments, scratch)
      sees = sees && allows
    }
    let (first, end) =
      seen.isEmpty
      ? (block.upperBound, block.upperBound)
      : (seen.lowerBound, seen.upperBound)
    for key in block.lowerBound..<first { scores[key - block.lowerBound] = -.infinity }
    for key in end..<block.upperBound { scores[key - block.lowerBound] = -.infinity }
    return sees
  }

  /// False if the mask is known to forbid all of these keys.
  private func apply(
    _ mask: Mask, at start: Int, to scores: UnsafeMutablePointer<Element>, count: Int,
    _ arguments: KernelArguments, _ scratch: UnsafeMutablePointer<Element>
  ) throws -> Bool {
    let step = mask.matrices.columnStride
    switch mask.effect {
    case .hides(let hidden, let fill):
      let flags = arguments.input(mask.input, as: UInt8.self) + start
      let fill = Element(fill)
      if step == 0 {
        guard (flags[0] != 0) == hidden else { return true }
        scores.update(repeating: fill, count: count)
        return false
      }
      for i in 0..<count {
        scores[i] = (flags[i] != 0) == hidden ? fill : scores[i]
      }
      return (0..<count).contains { (flags[$0] != 0) != hidden }
    case .adds:
      var addends: UnsafePointer<Element>
      if mask.elementType == Element.elementType {
        addends = arguments.input(mask.input, as: Element.self) + start
      } else {
        let width = mask.elementType.byteWidth
        try ElementConversion.convert(
          arguments.input(mask.input) + start * width, mask.elementType, to: scratch,
          Element.elementType, count: step == 0 ? 1 : count)
        addends = UnsafePointer(scratch)
      }
      if step == 0 {
        let addend = addends[0]
        for i in 0..<count { scores[i] += addend }
        return addend != -.infinity
      }
      for i in 0..<count { scores[i] += addends[i] }
      return (0..<count).contains { addends[$0] != -.infinity }
    }
  }

  /// The place of the largest score, or of any that is not -infinity; `nil` if all are.
  func largestScore(
    _ scores: UnsafeMutablePointer<Element>, count: Int, exact: Bool
  ) -> Int? {
    guard var place = (0..<count).first(where: { scores[$0] != -.infinity }) else { return nil }
    guard exact else { return place }
    for i in place..<count where scores[i] > scores[place] || scores[place].isNaN { place = i }
    return place
  }

  /// Writes scores of all keys to output 3.
  func writeScores(
    _ scores: UnsafeMutablePointer<Element>, _ arguments: KernelArguments, _ number: Int,
    _ rows: Range<Int>
  ) {
    let target =
      arguments.output(3, as: Element.self) + (number * length + rows.lowerBound) * total
    target.update(from: scores, count: rows.count * total)
  }
}
