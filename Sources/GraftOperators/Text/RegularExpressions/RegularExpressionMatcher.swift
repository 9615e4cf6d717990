/// Runs an automaton over texts, in time that grows linearly with them.
///
/// Sets of states that were reached are kept with what follows them, as in a deterministic
/// automaton. Where that would take too much memory, everything is forgotten; where it does not pay
/// off, sets are computed for each byte.
struct RegularExpressionMatcher {
  /// The place before a byte, as far as assertions see it.
  private struct Context: Hashable {
    var isBeginning = false
    var followsNewline = false
    var followsWord = false
  }

  /// What comes next: a byte, or the end of the text.
  private struct Following {
    let isEnd: Bool
    let isNewline: Bool
    let isWord: Bool

    init(_ byte: UInt8?) {
      isEnd = byte == nil
      isNewline = byte == UInt8(ascii: "\n")
      isWord = byte.map(Self.isWord) ?? false
    }

    static func isWord(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  private struct Key: Hashable {
    let states: [Int]
    let context: Context
  }

  private let program: RegularExpressionProgram
  /// Bytes that no state tells apart have the same class.
  private let classes: [Int]
  private let classCount: Int

  // The deterministic automaton, as far as it is known.
  private var numbers: [Key: Int] = [:]
  private var keys: [Key] = []
  /// The number of the next set by number and class; `unknown` where it was not needed yet.
  private var transitions: [Int] = []
  /// The states in all keys.
  private var keptCount = 0
  /// How often everything was forgotten without having paid off.
  private var failures = 0
  private var stepsSinceReset = 0

  private static let unknown = -1
  /// Of states in keys, and of transitions.
  private static let keptLimit = 1 << 20
  private static let failureLimit = 3

  /// A mark for each state, which says whether it is in the set under construction.
  private var marks: [Int]
  private var currentMark = 0
  private var stack: [Int] = []
  private var budget: MatchingBudget

  init(_ program: RegularExpressionProgram, budget: MatchingBudget = MatchingBudget()) {
    self.program = program
    self.budget = budget
    marks = Array(repeating: 0, count: program.states.count)
    var isBoundary = Array(repeating: false, count: 257)
    func separate(_ range: ClosedRange<UInt8>) {
      isBoundary[Int(range.lowerBound)] = true
      isBoundary[Int(range.upperBound) + 1] = true
    }
    for case .byte(let range, _) in program.states { separate(range) }
    if program.hasAssertions {
      for byte in 0...UInt8.max {
        let following = Following(byte)
        if following.isNewline || following.isWord { separate(byte...byte) }
      }
    }
    var (classes, number) = ([Int](), 0)
    for byte in 0..<256 {
      if byte > 0, isBoundary[byte] { number += 1 }
      classes.append(number)
    }
    (self.classes, classCount) = (classes, number + 1)
  }

  /// Whether the whole text matches.
  ///
  /// - Throws: `GraftError` if that takes too long
  mutating func matches(_ text: String) throws -> Bool {
    var text = text
    return try text.withUTF8 { try matches($0) }
  }

  private mutating func matches(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    beginSet()
    var start: [Int] = []
    add(program.start, to: &start)
    let beginning = Key(
      states: start, context: Context(isBeginning: program.hasAssertions))
    guard failures < Self.failureLimit else { return try matches(bytes, from: beginning) }
    var current = number(of: beginning)
    for (index, byte) in bytes.enumerated() {
      let known = transitions[current * classCount + classes[Int(byte)]]
      if known != Self.unknown {
        current = known
      } else {
        let key = try successor(of: keys[current], byte)
        if keptCount + transitions.count > Self.keptLimit {
          // Ten bytes for each set that was made are worth it.
          if stepsSinceReset + index < 10 * keys.count { failures += 1 }
          forget()
          guard failures < Self.failureLimit else {
            return try matches(
              UnsafeBufferPointer(rebasing: bytes[(index + 1)...]), from: key)
          }
          current = number(of: key)
        } else {
          let next = number(of: key)
          transitions[current * classCount + classes[Int(byte)]] = next
          current = next
        }
      }
      if keys[current].states.isEmpty { return false }
    }
    stepsSinceReset += bytes.count
    return accepts(keys[current])
  }

  /// Like `matches`, without keeping sets.
  private mutating func matches(
    _ bytes: UnsafeBufferPointer<UInt8>, from key: Key
  ) throws -> Bool {
    var key = key
    for byte in bytes {
      key = try successor(of: key, byte, isSorted: false)
      if key.states.isEmpty { return false }
    }
    return accepts(key)
  }

  private mutating func number(of key: Key) -> Int {
    if let number = numbers[key] { return number }
    let number = keys.count
    numbers[key] = number
    keys.append(key)
    keptCount += key.states.count
    transitions += repeatElement(Self.unknown, count: classCount)
    return number
  }

  private mutating func forget() {
    numbers.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    transitions.removeAll(keepingCapacity: true)
    keptCount = 0
    stepsSinceReset = 0
  }

  // MARK: Sets

  private mutating func beginSet() {
    currentMark += 1
    stack.removeAll(keepingCapacity: true)
  }

  /// Adds a state and all that follow without a byte; those behind assertions only later.
  private mutating func add(_ state: Int, to set: inout [Int]) {
    stack.append(state)
    while let state = stack.popLast() {
      guard marks[state] != currentMark else { continue }
      marks[state] = currentMark
      switch program.states[state] {
      case .empty(let next): stack.append(next)
      case .split(let first, let second):
        stack.append(second)
        stack.append(first)
      case .byte, .assertion, .match: set.append(state)
      case .dead: break
      }
    }
  }

  /// The states of a set, with those behind the assertions that hold.
  private mutating func resolved(_ key: Key, _ following: Following) -> [Int] {
    guard program.hasAssertions else { return key.states }
    beginSet()
    var states: [Int] = []
    for state in key.states {
      marks[state] = currentMark
      states.append(state)
    }
    var index = 0
    while index < states.count {
      if case .assertion(let assertion, let next) = program.states[states[index]],
        holds(assertion, key.context, following)
      {
        add(next, to: &states)
      }
      index += 1
    }
    return states
  }

  private func holds(
    _ assertion: RegularExpressionProgram.Assertion, _ context: Context, _ following: Following
  ) -> Bool {
    switch assertion {
    case .beginningOfText: context.isBeginning
    case .endOfText: following.isEnd
    case .beginningOfLine: context.isBeginning || context.followsNewline
    case .endOfLine: following.isEnd || following.isNewline
    case .wordBoundary: context.followsWord != following.isWord
    case .noWordBoundary: context.followsWord == following.isWord
    }
  }

  /// The set after a byte.
  private mutating func successor(
    of key: Key, _ byte: UInt8, isSorted: Bool = true
  ) throws -> Key {
    let following = Following(byte)
    let states = resolved(key, following)
    try budget.count(states.count)
    beginSet()
    var next: [Int] = []
    for state in states {
      if case .byte(let range, let target) = program.states[state], range.contains(byte) {
        add(target, to: &next)
      }
    }
    // Equal sets are to be found again.
    if isSorted { next.sort() }
    guard program.hasAssertions else { return Key(states: next, context: Context()) }
    return Key(
      states: next,
      context: Context(followsNewline: following.isNewline, followsWord: following.isWord))
  }

  private mutating func accepts(_ key: Key) -> Bool {
    resolved(key, Following(nil)).contains { state in
      if case .match = program.states[state] { true } else { false }
    }
  }
}
