import GraftFiles
import GraftGraph

/// An axis in Einstein's notation: a letter, or one of the axes of an ellipsis.
struct EinsumLabel: Hashable, Comparable, Sendable {
  /// The letter's code; for an ellipsis -1 for the last axis, -2 for the one before, and so on.
  let code: Int

  init(letter: Unicode.Scalar) { code = Int(letter.value) }

  /// - Parameter position: from the end, from 1
  init(ellipsisAxis position: Int) { code = -position }

  static func < (left: EinsumLabel, right: EinsumLabel) -> Bool { left.code < right.code }

  var isLetter: Bool { code > 0 }
}

/// A parsed equation such as `bij,bjk->bik`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Einsum.html>
struct EinsumEquation: Sendable {
  /// The labels of one operand, or of the output.
  struct Term: Sendable, Equatable {
    /// The letters before and after the ellipsis; all of them before it if there is none.
    var head: [EinsumLabel] = []
    var tail: [EinsumLabel] = []
    var hasEllipsis = false

    var letters: [EinsumLabel] { head + tail }

    /// The labels of all axes, with `count` of them for the ellipsis.
    func labels(ellipsisCount count: Int) -> [EinsumLabel] {
      guard hasEllipsis else { return letters }
      return head + (0..<count).map { EinsumLabel(ellipsisAxis: count - $0) } + tail
    }
  }

  let operands: [Term]
  /// `nil` if omitted: then the labels that appear once, in alphabetical order.
  let output: Term?

  /// - Throws: `GraftError` if the text is not an equation
  init(_ text: String) throws {
    let scalars = Array(text.unicodeScalars.filter { $0 != " " })
    let arrow = scalars.indices.first {
      scalars[$0] == "-" && $0 + 1 < scalars.count && scalars[$0 + 1] == ">"
    }
    let left = scalars[..<(arrow ?? scalars.count)]
    operands = try left.split(separator: ",", omittingEmptySubsequences: false)
      .map { try Self.term($0, of: text) }
    guard let arrow else {
      output = nil
      return
    }
    let term = try Self.term(scalars[(arrow + 2)...], of: text)
    let known = Set(operands.flatMap(\.letters))
    guard Set(term.letters).count == term.letters.count, known.isSuperset(of: term.letters) else {
      throw GraftError.badData(
        "the output of equation '\(text)' repeats a letter or has one of its own")
    }
    output = term
  }

  private static func term(_ scalars: ArraySlice<Unicode.Scalar>, of text: String) throws -> Term {
    var term = Term()
    var index = scalars.startIndex
    while index < scalars.endIndex {
      switch scalars[index] {
      case "a"..."z", "A"..."Z":
        let label = EinsumLabel(letter: scalars[index])
        if term.hasEllipsis { term.tail.append(label) } else { term.head.append(label) }
        index += 1
      case ".":
        guard !term.hasEllipsis, index + 2 < scalars.endIndex, scalars[index + 1] == ".",
          scalars[index + 2] == "."
        else {
          throw GraftError.badData("equation '\(text)' has dots that are not a single ellipsis")
        }
        term.hasEllipsis = true
        index += 3
      default:
        throw GraftError.badData(
          "equation '\(text)' contains '\(scalars[index])'; expected letters, ',', '...' and '->'")
      }
    }
    return term
  }

  /// The equation with a label for each axis of operands of these ranks.
  func resolved(ranks: [Int]) throws -> Resolved {
    guard ranks.count == operands.count else {
      throw GraftError.badData(
        "has \(ranks.count) operands; the equation has \(operands.count)")
    }
    var ellipsisCount = 0
    var labels: [[EinsumLabel]] = []
    for (index, (term, rank)) in zip(operands, ranks).enumerated() {
      let rest = rank - term.letters.count
      guard rest == 0 || (rest > 0 && term.hasEllipsis) else {
        throw GraftError.badData(
          "operand \(index) has rank \(rank), which does not fit the equation")
      }
      labels.append(term.labels(ellipsisCount: rest))
      ellipsisCount = max(ellipsisCount, rest)
    }
    if let output {
      return Resolved(
        operands: labels, output: output.labels(ellipsisCount: ellipsisCount))
    }
    var counts: [EinsumLabel: Int] = [:]
    for label in operands.flatMap(\.letters) { counts[label, default: 0] += 1 }
    let once = counts.filter { $0.value == 1 }.keys.sorted()
    let ellipsis = (0..<ellipsisCount).map { EinsumLabel(ellipsisAxis: ellipsisCount - $0) }
    return Resolved(operands: labels, output: ellipsis + once)
  }

  /// Labels for each axis.
  struct Resolved: Sendable {
    var operands: [[EinsumLabel]]
    var output: [EinsumLabel]

    /// The extent of each label.
    ///
    /// - Throws: `GraftError` if the operands disagree
    func extents(_ shapes: [[Dimension]]) throws -> [EinsumLabel: Dimension] {
      var extents: [EinsumLabel: Dimension] = [:]
      for (labels, shape) in zip(operands, shapes) {
        var own: [EinsumLabel: Dimension] = [:]
        for (label, dimension) in zip(labels, shape) {
          if let earlier = own[label]?.known, let extent = dimension.known, earlier != extent {
            throw GraftError.badData(
              "one letter has the extents \(earlier) and \(extent) in one operand")
          }
          if own[label]?.known == nil { own[label] = dimension }
        }
        for (label, dimension) in own {
          extents[label] = try broadcast([[extents[label] ?? 1], [dimension]])[0]
        }
      }
      return extents
    }
  }
}
