import CGraftKernels

/// Where the lines of points lie that are transformed, in elements: `blockCount` blocks of
/// `lineCount` lines each.
struct FourierLines: Sendable {
  /// Distances in the input or the output.
  struct Steps: Sendable {
    var block: Int
    var line: Int
    var point: Int
  }

  let blockCount: Int
  let lineCount: Int
  let input: Steps
  let output: Steps
  /// The lines that are transformed at once.
  let lanes: Int

  /// - Parameters:
  ///   - points: the length of a transform
  ///   - vector: the elements of a vector
  init(
    blockCount: Int, lineCount: Int, input: Steps, output: Steps, points: Int, vector: Int
  ) {
    self.blockCount = blockCount
    self.lineCount = lineCount
    self.input = input
    self.output = output
    // A long line fills vectors by itself, if its points are next to each other.
    let isSideBySide = input.line <= 2 && input.point > 2
    lanes =
      isSideBySide
      ? (lineCount <= 2 * vector ? max(1, lineCount) : vector)
      : (points < 4 * vector ? min(vector, max(1, lineCount)) : 1)
  }

  /// The groups of lines that are transformed at once.
  var groupCount: Int { blockCount * groupsPerBlock }

  private var groupsPerBlock: Int { (lineCount + lanes - 1) / lanes }

  struct Group {
    /// The lines that there are, at most `lanes`.
    let lines: Int
    /// Where its first line begins.
    let input: Int
    let output: Int
  }

  func group(_ index: Int) -> Group {
    let (block, part) = index.quotientAndRemainder(dividingBy: groupsPerBlock)
    let first = part * lanes
    return Group(
      lines: min(lanes, lineCount - first), input: block * input.block + first * input.line,
      output: block * output.block + first * output.line)
  }
}
