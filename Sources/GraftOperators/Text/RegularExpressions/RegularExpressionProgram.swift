import GraftFiles

/// A nondeterministic automaton over the bytes of UTF-8.
struct RegularExpressionProgram: Sendable {
  enum Assertion: Sendable {
    case beginningOfText, endOfText, beginningOfLine, endOfLine, wordBoundary, noWordBoundary
  }

  enum State: Sendable {
    case byte(ClosedRange<UInt8>, next: Int)
    case assertion(Assertion, next: Int)
    case empty(next: Int)
    case split(Int, Int)
    /// Never goes on.
    case dead
    case match
  }

  /// States that follow each other in ``states``, of which one is the first to enter and one leads
  /// out, to a place yet unknown.
  struct Fragment {
    let states: Range<Int>
    let start: Int
    /// A state whose `next` is unknown.
    let end: Int
    /// How often its innermost part is repeated.
    var repetition = 1
  }

  private(set) var states: [State] = []
  private(set) var start = 0
  private(set) var hasAssertions = false

  /// Enough for what RE2 takes with its default limit of memory, but for long plain texts.
  private static let stateLimit = 250_000
  private static let unknown = -1

  // MARK: Building

  private mutating func add(_ state: State) throws -> Int {
    guard states.count < Self.stateLimit else { throw Self.tooLarge }
    states.append(state)
    return states.count - 1
  }

  private static let tooLarge = GraftError.badData("is too large as an automaton")

  mutating func finish(_ fragment: Fragment) throws {
    connect(fragment.end, to: try add(.match))
    start = fragment.start
  }

  private mutating func connect(_ state: Int, to next: Int) {
    switch states[state] {
    case .byte(let range, _): states[state] = .byte(range, next: next)
    case .assertion(let assertion, _): states[state] = .assertion(assertion, next: next)
    default: states[state] = .empty(next: next)
    }
  }

  private func fragment(from first: Int, start: Int, end: Int) -> Fragment {
    Fragment(states: first..<states.count, start: start, end: end)
  }

  mutating func empty() throws -> Fragment {
    let state = try add(.empty(next: Self.unknown))
    return fragment(from: state, start: state, end: state)
  }

  mutating func assertion(_ assertion: Assertion) throws -> Fragment {
    hasAssertions = true
    let state = try add(.assertion(assertion, next: Self.unknown))
    return fragment(from: state, start: state, end: state)
  }

  mutating func bytes(_ range: ClosedRange<UInt8>) throws -> Fragment {
    let state = try add(.byte(range, next: Self.unknown))
    return fragment(from: state, start: state, end: state)
  }

  /// One scalar of a set.
  mutating func scalar(of set: ScalarSet) throws -> Fragment {
    let sequences = ByteSequences.of(set)
    if sequences.count == 1, sequences[0].count == 1 { return try bytes(sequences[0][0]) }
    let first = states.count
    let end = try add(.empty(next: Self.unknown))
    var suffixes: [Suffix: Int] = [:]
    let start =
      sequences.isEmpty
      ? try add(.dead) : try alternatives(sequences[...], depth: 0, end: end, &suffixes)
    return fragment(from: first, start: start, end: end)
  }

  /// A byte and what follows it.
  private struct Suffix: Hashable {
    let range: ClosedRange<UInt8>
    let next: Int
  }

  /// The state at which sequences begin that share their first `depth` bytes.
  private mutating func alternatives(
    _ sequences: ArraySlice<[ClosedRange<UInt8>]>, depth: Int, end: Int,
    _ suffixes: inout [Suffix: Int]
  ) throws -> Int {
    var result: Int?
    var rest = sequences
    while let range = rest.first?[depth] {
      let group = rest.prefix { $0[depth] == range }
      rest = rest.dropFirst(group.count)
      let next =
        group.first?.count == depth + 1
        ? end : try alternatives(group, depth: depth + 1, end: end, &suffixes)
      let suffix = Suffix(range: range, next: next)
      let state = try suffixes[suffix] ?? add(.byte(range, next: next))
      suffixes[suffix] = state
      result = try result.map { try add(.split($0, state)) } ?? state
    }
    return try result ?? add(.dead)
  }

  /// One after the other.
  mutating func sequence(_ first: Fragment?, _ second: Fragment) -> Fragment {
    guard let first else { return second }
    connect(first.end, to: second.start)
    var result = Fragment(
      states: first.states.lowerBound..<second.states.upperBound, start: first.start,
      end: second.end)
    result.repetition = max(first.repetition, second.repetition)
    return result
  }

  /// One of several, which follow each other in ``states``.
  mutating func alternation(_ fragments: [Fragment]) throws -> Fragment {
    guard fragments.count > 1 else { return fragments[0] }
    let end = try add(.empty(next: Self.unknown))
    var start = fragments[0].start
    for (number, fragment) in fragments.enumerated() {
      connect(fragment.end, to: end)
      if number > 0 { start = try add(.split(start, fragment.start)) }
    }
    var result = self.fragment(
      from: fragments[0].states.lowerBound, start: start, end: end)
    result.repetition = fragments.map(\.repetition).max() ?? 1
    return result
  }

  /// - Parameters:
  ///   - isOptional: whether it may be left out
  ///   - repeats: whether it may come any number of times
  mutating func repetition(
    _ fragment: Fragment, isOptional: Bool, repeats: Bool
  ) throws -> Fragment {
    let split = try add(.split(fragment.start, Self.unknown))
    let end = try add(.empty(next: Self.unknown))
    states[split] = .split(fragment.start, end)
    connect(fragment.end, to: repeats ? split : end)
    var result = self.fragment(
      from: fragment.states.lowerBound, start: isOptional ? split : fragment.start, end: end)
    result.repetition = fragment.repetition
    return result
  }

  /// Several times: `count.upperBound` times at most, or without limit.
  mutating func repetition(
    _ fragment: Fragment, least: Int, most: Int?
  ) throws -> Fragment {
    let copyCount = max(most ?? least, 1)
    // Checked before anything is copied.
    let (stateCount, overflow) = fragment.states.count.multipliedReportingOverflow(by: copyCount)
    guard !overflow, states.count + stateCount <= Self.stateLimit else { throw Self.tooLarge }
    if most == 0 {
      let nothing = try empty()
      return self.fragment(
        from: fragment.states.lowerBound, start: nothing.start, end: nothing.end)
    }
    let original = Array(states[fragment.states])
    func copy(_ program: inout RegularExpressionProgram) throws -> Fragment {
      let offset = program.states.count - fragment.states.lowerBound
      for state in original { _ = try program.add(state.moved(by: offset)) }
      return Fragment(
        states: fragment.states.lowerBound + offset..<program.states.count,
        start: fragment.start + offset, end: fragment.end + offset)
    }
    var result: Fragment?
    for number in 0..<copyCount {
      var part = number == 0 ? fragment : try copy(&self)
      if most == nil, number == copyCount - 1 {
        part = try repetition(part, isOptional: least == 0, repeats: true)
      } else if number >= least {
        part = try repetition(part, isOptional: true, repeats: false)
      }
      result = sequence(result, part)
    }
    let last = try result ?? empty()
    return self.fragment(from: fragment.states.lowerBound, start: last.start, end: last.end)
  }
}

extension RegularExpressionProgram.State {
  /// The state for a copy of its fragment.
  fileprivate func moved(by offset: Int) -> Self {
    func moved(_ state: Int) -> Int { state < 0 ? state : state + offset }
    return switch self {
    case .byte(let range, let next): .byte(range, next: moved(next))
    case .assertion(let assertion, let next): .assertion(assertion, next: moved(next))
    case .empty(let next): .empty(next: moved(next))
    case .split(let first, let second): .split(moved(first), moved(second))
    case .dead: .dead
    case .match: .match
    }
  }
}

/// The UTF-8 of sets of code points, as ranges of bytes.
enum ByteSequences {
  /// Sequences in order. Those that begin alike follow each other.
  static func of(_ set: ScalarSet) -> [[ClosedRange<UInt8>]] {
    set.ranges.flatMap { split($0) }
  }

  private static let continuation: ClosedRange<UInt8> = 0x80...0xbf

  private static func split(_ range: ScalarSet.Range) -> [[ClosedRange<UInt8>]] {
    // Texts are valid, so that any bytes may stand for the rest.
    if range == 0x80...ScalarSet.largest {
      return [
        [0xc2...0xdf, continuation], [0xe0...0xef, continuation, continuation],
        [0xf0...0xf4, continuation, continuation, continuation],
      ]
    }
    // Code points with the same number of bytes.
    for limit: UInt32 in [0x7f, 0x7ff, 0xffff]
    where range.lowerBound <= limit && limit < range.upperBound {
      return split(range.lowerBound...limit) + split(limit + 1...range.upperBound)
    }
    // Ranges that cover all or one of the values of each byte but one.
    for shift: UInt32 in [6, 12, 18] where range.upperBound > 0x7f {
      let low = (UInt32(1) << shift) - 1
      guard range.lowerBound & ~low != range.upperBound & ~low else { continue }
      if range.lowerBound & low != 0 {
        return split(range.lowerBound...range.lowerBound | low)
          + split((range.lowerBound | low) + 1...range.upperBound)
      }
      if range.upperBound & low != low {
        return split(range.lowerBound...(range.upperBound & ~low) - 1)
          + split(range.upperBound & ~low...range.upperBound)
      }
    }
    return [zip(encoded(range.lowerBound), encoded(range.upperBound)).map { $0...$1 }]
  }

  private static func encoded(_ scalar: UInt32) -> [UInt8] {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift) & 0x3f) }
    return switch scalar {
    case ...0x7f: [UInt8(scalar)]
    case ...0x7ff: [UInt8(0xc0 | scalar >> 6), tail(0)]
    case ...0xffff: [UInt8(0xe0 | scalar >> 12), tail(6), tail(0)]
    default: [UInt8(0xf0 | scalar >> 18), tail(12), tail(6), tail(0)]
    }
  }
}
