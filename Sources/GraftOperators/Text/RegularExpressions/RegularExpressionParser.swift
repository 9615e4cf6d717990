import GraftFiles

/// Reads RE2's syntax, and builds the automaton as it goes: without recursion, whatever the
/// nesting.
///
/// Whether a text matches as a whole depends neither on which alternative is preferred nor on what
/// groups contain, so that greediness and groups only have to be read.
///
/// Syntax: <https://github.com/google/re2/wiki/Syntax>
struct RegularExpressionParser {
  private struct Flags {
    var ignoresCase = false
    /// Whether `^` and `$` match at lines.
    var isMultiline = false
    /// Whether `.` matches the end of a line.
    var dotMatchesNewline = false
  }

  private typealias Fragment = RegularExpressionProgram.Fragment

  /// A group that is not closed yet.
  private struct Group {
    /// Where it begins in the pattern.
    let position: Int
    /// The flags behind it.
    let outerFlags: Flags
    var alternatives: [Fragment] = []
    /// The alternative so far, without its last part.
    var sequence: Fragment?
    /// What a repetition would repeat.
    var last: Fragment?
  }

  private let pattern: [Unicode.Scalar]
  private var position = 0
  private var flags = Flags()
  private var groups: [Group]
  private var program = RegularExpressionProgram()
  /// Whether the last part is a repetition, which must not be repeated again.
  private var isRepetition = false

  private static let repetitionLimit = 1000

  /// - Throws: `GraftError` that says what is wrong with the pattern, and where
  static func program(_ pattern: String) throws -> RegularExpressionProgram {
    var parser = RegularExpressionParser(pattern)
    return try parser.parse()
  }

  private init(_ pattern: String) {
    self.pattern = Array(pattern.unicodeScalars)
    groups = [Group(position: 0, outerFlags: Flags())]
  }

  private mutating func parse() throws -> RegularExpressionProgram {
    while position < pattern.count { try parsePart() }
    guard groups.count == 1 else { throw error("a group without ')'", at: groups.last?.position) }
    try program.finish(try alternation())
    return program
  }

  private func error(_ reason: String, at place: Int? = nil) -> GraftError {
    .badData("the regular expression has \(reason) at position \((place ?? position) + 1)")
  }

  // MARK: Reading

  /// The scalar after some others; `nil` behind the end.
  private func peek(_ offset: Int = 0) -> Unicode.Scalar? {
    position + offset < pattern.count ? pattern[position + offset] : nil
  }

  private func isNext(_ text: String) -> Bool {
    pattern[position...].starts(with: text.unicodeScalars)
  }

  /// Skips a text if it is next.
  private mutating func skip(_ text: String) -> Bool {
    guard isNext(text) else { return false }
    position += text.unicodeScalars.count
    return true
  }

  /// - Throws: `GraftError` behind the end
  private mutating func next(_ what: String) throws -> Unicode.Scalar {
    guard let scalar = peek() else { throw error(what, at: pattern.count - 1) }
    position += 1
    return scalar
  }

  private mutating func parsePart() throws {
    let wasRepetition = isRepetition
    isRepetition = false
    switch pattern[position] {
    case "(": try openGroup()
    case ")": try closeGroup()
    case "|":
      position += 1
      try endAlternative()
    case "*", "+", "?":
      let isOptional = pattern[position] != "+"
      let repeats = pattern[position] != "?"
      try repeatLast(after: wasRepetition, length: 1) { program, part in
        try program.repetition(part, isOptional: isOptional, repeats: repeats)
      }
    case "{":
      guard let (least, most, length) = repetitionCounts() else {
        position += 1
        return try append(literal("{"))
      }
      try parseCounts(least, most, length: length, after: wasRepetition)
    case "[": try append(scalar(of: try parseClass()))
    case ".":
      position += 1
      let newline = ScalarSet("\n")
      try append(program.scalar(of: flags.dotMatchesNewline ? .all : newline.inverted))
    case "^":
      position += 1
      try append(program.assertion(flags.isMultiline ? .beginningOfLine : .beginningOfText))
    case "$":
      position += 1
      try append(program.assertion(flags.isMultiline ? .endOfLine : .endOfText))
    case "\\": try parseEscape()
    case let scalar:
      position += 1
      try append(literal(scalar.value))
    }
  }

  // MARK: Building

  private mutating func append(_ fragment: Fragment) {
    let group = groups.count - 1
    if let last = groups[group].last {
      groups[group].sequence = program.sequence(groups[group].sequence, last)
    }
    groups[group].last = fragment
  }

  private func literalSet(_ scalar: UInt32) -> ScalarSet {
    flags.ignoresCase ? CaseFolding.orbit(scalar) : ScalarSet([scalar...scalar])
  }

  private mutating func literal(_ scalar: UInt32) throws -> Fragment {
    try program.scalar(of: literalSet(scalar))
  }

  private mutating func literal(_ scalar: Unicode.Scalar) throws -> Fragment {
    try literal(scalar.value)
  }

  private mutating func scalar(of set: ScalarSet) throws -> Fragment {
    try program.scalar(of: set)
  }

  private mutating func endAlternative() throws {
    let group = groups.count - 1
    if let last = groups[group].last {
      groups[group].sequence = program.sequence(groups[group].sequence, last)
    }
    groups[group].alternatives.append(try groups[group].sequence ?? program.empty())
    groups[group].sequence = nil
    groups[group].last = nil
  }

  /// All alternatives of the innermost group.
  private mutating func alternation() throws -> Fragment {
    try endAlternative()
    return try program.alternation(groups[groups.count - 1].alternatives)
  }

  private mutating func repeatLast(
    after wasRepetition: Bool, length: Int,
    _ make: (inout RegularExpressionProgram, Fragment) throws -> Fragment
  ) throws {
    guard let last = groups[groups.count - 1].last else {
      throw error("a repetition of nothing")
    }
    guard !wasRepetition else { throw error("a repetition of a repetition") }
    groups[groups.count - 1].last = try make(&program, last)
    position += length
    _ = skip("?")
    isRepetition = true
  }

  private mutating func parseCounts(
    _ least: Int, _ most: Int?, length: Int, after wasRepetition: Bool
  ) throws {
    let limit = Self.repetitionLimit
    guard least <= limit, most ?? 0 <= limit, most ?? least >= least else {
      throw error("repetitions out of order, or of more than \(limit) times,")
    }
    let factor = max(most ?? least, 1)
    let inner = groups[groups.count - 1].last?.repetition ?? 1
    guard inner * factor <= limit else {
      throw error("repetitions of repetitions, of more than \(limit) times together,")
    }
    try repeatLast(after: wasRepetition, length: length) { program, part in
      var fragment = try program.repetition(part, least: least, most: most)
      fragment.repetition = inner * factor
      return fragment
    }
  }

  /// The numbers of `{2}`, `{2,}` and `{2,5}`, and the length of it; `nil` if this is none, and
  /// stands for itself.
  private func repetitionCounts() -> (least: Int, most: Int?, length: Int)? {
    var offset = 1
    func number() -> Int? {
      let start = offset
      var value = 0
      while let digit = peek(offset).flatMap(Self.digit) {
        // RE2 takes larger numbers for text, too.
        guard value < 100_000_000 else { return nil }
        value = value * 10 + digit
        offset += 1
      }
      let hasLeadingZero = offset - start > 1 && peek(start) == "0"
      return offset == start || hasLeadingZero ? nil : value
    }
    guard let least = number() else { return nil }
    var most: Int? = least
    if peek(offset) == "," {
      offset += 1
      if peek(offset) == "}" {
        most = nil
      } else {
        guard let number = number() else { return nil }
        most = number
      }
    }
    return peek(offset) == "}" ? (least, most, offset + 1) : nil
  }

  private static func digit(_ scalar: Unicode.Scalar) -> Int? {
    ("0"..."9").contains(scalar) ? Int(scalar.value) - 0x30 : nil
  }

  // MARK: Groups

  private mutating func openGroup() throws {
    let start = position
    position += 1
    guard skip("?") else {
      groups.append(Group(position: start, outerFlags: flags))
      return
    }
    if skip("P<") || peek() == "<" && ![nil, "=", "!"].contains(peek(1)) && skip("<") {
      try parseName(from: start)
      groups.append(Group(position: start, outerFlags: flags))
    } else {
      try parseFlags(from: start)
    }
  }

  private mutating func parseName(from start: Int) throws {
    var name = ""
    while let scalar = peek(), scalar != ">" {
      name.unicodeScalars.append(scalar)
      position += 1
    }
    guard skip(">"), !name.isEmpty, name.unicodeScalars.allSatisfy(\.isPartOfName) else {
      throw error("a group with an invalid name", at: start)
    }
  }

  /// `(?i)` and `(?i-s:`
  private mutating func parseFlags(from start: Int) throws {
    var changed = flags
    var (isOn, hasFlag) = (true, false)
    while true {
      let scalar = try next("a group that is cut off")
      switch scalar {
      case "i": changed.ignoresCase = isOn
      case "m": changed.isMultiline = isOn
      case "s": changed.dotMatchesNewline = isOn
      // Prefers fewer repetitions: the same texts match.
      case "U": break
      case "-" where isOn:
        (isOn, hasFlag) = (false, false)
        continue
      case ":" where isOn || hasFlag:
        groups.append(Group(position: start, outerFlags: flags))
        flags = changed
        return
      case ")" where isOn || hasFlag:
        flags = changed
        return
      default: throw error("a group of a kind that RE2 does not have", at: start)
      }
      hasFlag = true
    }
  }

  private mutating func closeGroup() throws {
    guard groups.count > 1 else { throw error("')' without a group") }
    position += 1
    let fragment = try alternation()
    flags = groups.removeLast().outerFlags
    append(fragment)
  }

  // MARK: Escapes

  private mutating func parseEscape() throws {
    if skip("\\Q") {
      while position < pattern.count, !skip("\\E") {
        isRepetition = false
        position += 1
        append(try literal(pattern[position - 1]))
      }
      return
    }
    let assertions: [(String, RegularExpressionProgram.Assertion)] = [
      ("\\A", .beginningOfText), ("\\z", .endOfText), ("\\b", .wordBoundary),
      ("\\B", .noWordBoundary),
    ]
    for (text, assertion) in assertions where skip(text) {
      return try append(program.assertion(assertion))
    }
    if skip("\\C") { return try append(program.bytes(0...255)) }
    if let set = try parseNamedClass() { return try append(scalar(of: set)) }
    try append(literal(try parseEscapedScalar()))
  }

  /// `\d`, `\pL`, `\p{Greek}` and others; `nil` if there is none.
  private mutating func parseNamedClass() throws -> ScalarSet? {
    guard peek() == "\\", let letter = peek(1) else { return nil }
    let start = position
    switch letter {
    case "d", "s", "w", "D", "S", "W":
      position += 2
      let isInverted = letter.properties.isUppercase
      let small = isInverted ? Unicode.Scalar(letter.value | 0x20) : letter
      return ScalarClasses.perl[small ?? letter].map { named($0, isInverted: isInverted) }
    case "p", "P":
      guard peek(2) != nil else { return nil }
      position += 2
      var name = ""
      var isInverted = letter == "P"
      if skip("{") {
        while let scalar = peek(), scalar != "}" {
          name.unicodeScalars.append(scalar)
          position += 1
        }
        guard skip("}") else { throw error("a class of characters without '}'", at: start) }
        if name.hasPrefix("^") {
          name.removeFirst()
          isInverted.toggle()
        }
      } else {
        name.unicodeScalars.append(try next("a class of characters without a name"))
      }
      guard let set = ScalarClasses.unicode(name) else {
        throw error("an unknown class of characters, '\(name)',", at: start)
      }
      return named(set, isInverted: isInverted)
    default: return nil
    }
  }

  private func named(_ set: ScalarSet, isInverted: Bool) -> ScalarSet {
    let folded = flags.ignoresCase ? CaseFolding.closure(set) : set
    return isInverted ? folded.inverted : folded
  }

  /// A single character that follows `\`, or that a number stands for.
  private mutating func parseEscapedScalar() throws -> UInt32 {
    let start = position
    position += 1
    let scalar = try next("'\\' at its end,")
    switch scalar {
    case "a": return 0x07
    case "f": return 0x0c
    case "n": return 0x0a
    case "r": return 0x0d
    case "t": return 0x09
    case "v": return 0x0b
    case "x": return try parseHexadecimal(from: start)
    case "0"..."7":
      // A single digit from 1 on would refer to a group, which RE2 does not have.
      let digits = pattern[(position - 1)...].prefix(3).prefix { ("0"..."7").contains($0) }
      guard scalar == "0" || digits.count > 1 else {
        throw error("an invalid escape, '\\\(scalar)',", at: start)
      }
      position += digits.count - 1
      return digits.reduce(0) { $0 * 8 + $1.value - 0x30 }
    case _ where scalar.isASCII && !scalar.properties.isAlphabetic && Self.digit(scalar) == nil:
      return scalar.value
    default: throw error("an invalid escape, '\\\(scalar)',", at: start)
    }
  }

  /// `7F` or `{10FFFF}`
  private mutating func parseHexadecimal(from start: Int) throws -> UInt32 {
    let isBraced = skip("{")
    var value: UInt32 = 0
    var count = 0
    while isBraced || count < 2, let digit = peek().flatMap({ Character($0).hexDigitValue }),
      peek()?.isASCII == true
    {
      value = value * 16 + UInt32(digit)
      guard value <= ScalarSet.largest else { break }
      count += 1
      position += 1
    }
    guard isBraced ? count > 0 && skip("}") : count == 2 else {
      throw error("an invalid escape, '\\x',", at: start)
    }
    return value
  }

  // MARK: Classes

  /// `[a-z]` and others
  private mutating func parseClass() throws -> ScalarSet {
    let start = position
    position += 1
    let isInverted = skip("^")
    var ranges: [ScalarSet.Range] = []
    var isFirst = true
    while isFirst || peek() != "]" {
      guard peek() != nil else { throw error("a class of characters without ']'", at: start) }
      isFirst = false
      if isNext("[:"), let set = try parseASCIIClass() {
        ranges += set.ranges
      } else if let set = try parseNamedClass() {
        ranges += set.ranges
      } else {
        ranges.append(try parseRange(from: start))
      }
    }
    position += 1
    var set = ScalarSet(ranges)
    if flags.ignoresCase { set = CaseFolding.closure(set) }
    return isInverted ? set.inverted : set
  }

  private mutating func parseRange(from start: Int) throws -> ScalarSet.Range {
    let place = position
    let first = try parseMember(from: start)
    guard peek() == "-", let end = peek(1), end != "]" else { return first...first }
    position += 1
    let last = try parseMember(from: start)
    guard first <= last else { throw error("a range of characters out of order", at: place) }
    return first...last
  }

  private mutating func parseMember(from start: Int) throws -> UInt32 {
    if peek() == "\\" { return try parseEscapedScalar() }
    guard let scalar = peek() else { throw error("a class of characters without ']'", at: start) }
    position += 1
    return scalar.value
  }

  /// `[:alpha:]` or `[:^alpha:]`; `nil` if `[` stands for itself.
  private mutating func parseASCIIClass() throws -> ScalarSet? {
    let start = position
    var end = position + 2
    while end + 1 < pattern.count, !(pattern[end] == ":" && pattern[end + 1] == "]") { end += 1 }
    guard end + 1 < pattern.count else { return nil }
    var name = ""
    name.unicodeScalars.append(contentsOf: pattern[(position + 2)..<end])
    let isInverted = name.hasPrefix("^")
    if isInverted { name.removeFirst() }
    guard let set = ScalarClasses.ascii(name) else {
      throw error("an unknown class of characters, '\(name)',", at: start)
    }
    position = end + 2
    return named(set, isInverted: isInverted)
  }
}

extension Unicode.Scalar {
  /// Whether names of groups may have it.
  fileprivate var isPartOfName: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber,
      .connectorPunctuation:
      true
    default: false
    }
  }
}
