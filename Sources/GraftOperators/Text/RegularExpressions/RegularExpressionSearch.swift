/// Finds what a regular expression matches first in a text, as RE2 and Perl do: the leftmost match,
/// and of those the one that the expression prefers.
///
/// Time grows with the length of the text times the size of the expression.
struct RegularExpressionSearch {
  /// A state that was reached, and where its match began.
  private struct Thread {
    let state: Int
    let start: Int
  }

  private let program: RegularExpressionProgram
  /// A mark for each state, which says whether it is among the threads under construction.
  private var marks: [Int]
  private var currentMark = 0
  private var stack: [Int] = []
  private var budget: MatchingBudget

  init(_ program: RegularExpressionProgram, budget: MatchingBudget = MatchingBudget()) {
    self.program = program
    self.budget = budget
    marks = Array(repeating: 0, count: program.states.count)
  }

  /// The first match at `position` or after it.
  ///
  /// - Throws: `GraftError` if that takes too long
  mutating func firstMatch(_ bytes: [UInt8], from position: Int) throws -> Range<Int>? {
    var threads: [Thread] = []
    var next: [Thread] = []
    var found: Range<Int>?
    var index = position
    while true {
      // Threads come in the order in which the expression prefers them.
      currentMark += 1
      var current: [Thread] = []
      for thread in threads { add(thread, bytes, index, to: &current) }
      if found == nil {
        add(Thread(state: program.start, start: index), bytes, index, to: &current)
      }
      try budget.count(current.count)
      next.removeAll(keepingCapacity: true)
      for thread in current {
        switch program.states[thread.state] {
        case .match: found = thread.start..<index
        case .byte(let range, let target):
          if index < bytes.count, range.contains(bytes[index]) {
            next.append(Thread(state: target, start: thread.start))
          }
          continue
        default: continue
        }
        // What comes after a match is preferred less.
        break
      }
      guard index < bytes.count, found == nil || !next.isEmpty else { return found }
      swap(&threads, &next)
      index += 1
    }
  }

  /// Adds a thread, and those that follow without a byte.
  private mutating func add(
    _ thread: Thread, _ bytes: [UInt8], _ index: Int, to threads: inout [Thread]
  ) {
    stack.append(thread.state)
    while let state = stack.popLast() {
      guard marks[state] != currentMark else { continue }
      marks[state] = currentMark
      switch program.states[state] {
      case .empty(let next): stack.append(next)
      case .split(let first, let second):
        stack.append(second)
        stack.append(first)
      case .assertion(let assertion, let next):
        if holds(assertion, bytes, index) { stack.append(next) }
      case .byte, .match: threads.append(Thread(state: state, start: thread.start))
      case .dead: break
      }
    }
  }

  private func holds(
    _ assertion: RegularExpressionProgram.Assertion, _ bytes: [UInt8], _ index: Int
  ) -> Bool {
    func isWord(_ place: Int) -> Bool {
      guard bytes.indices.contains(place) else { return false }
      switch bytes[place] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"):
        return true
      default: return false
      }
    }
    func isNewline(_ place: Int) -> Bool {
      bytes.indices.contains(place) && bytes[place] == UInt8(ascii: "\n")
    }
    switch assertion {
    case .beginningOfText: return index == 0
    case .endOfText: return index == bytes.count
    case .beginningOfLine: return index == 0 || isNewline(index - 1)
    case .endOfLine: return index == bytes.count || isNewline(index)
    case .wordBoundary: return isWord(index - 1) != isWord(index)
    case .noWordBoundary: return isWord(index - 1) == isWord(index)
    }
  }
}
