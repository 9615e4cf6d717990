import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// RegexFullMatch has RE2's syntax, and takes a time that grows linearly with the text.
@Suite struct RegularExpressionTests {
  private static func matches(_ pattern: String, _ texts: [String]) throws -> [Bool] {
    try NodeTesting.apply(
      Node(
        operatorType: "RegexFullMatch", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: ["pattern": .string(pattern)]),
      [try Tensor(strings: texts, shape: [texts.count])]
    ).elements()
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let pattern: String
    let matching: [String]
    let others: [String]
    var testDescription: String { pattern }

    init(_ pattern: String, _ matching: [String], not others: [String]) {
      (self.pattern, self.matching, self.others) = (pattern, matching, others)
    }
  }

  /// Expectations checked with RE2 (google-re2 1.1.20251105).
  static let cases = [
    Case("", [""], not: ["a"]),
    Case("a|b|", ["a", "b", ""], not: ["ab"]),
    Case("(a|b)*c?", ["", "abba", "abc"], not: ["acb"]),
    Case("a+?b*?", ["a", "aab"], not: ["b"]),
    Case("a{2}", ["aa"], not: ["a", "aaa"]),
    Case("a{2,}", ["aa", "aaaa"], not: ["a"]),
    Case("a{2,3}?", ["aa", "aaa"], not: ["a", "aaaa"]),
    Case("a{0}b", ["b"], not: ["ab"]),
    Case("(ab){0,2}", ["", "ab", "abab"], not: ["ababab"]),
    Case("a{,2}", ["a{,2}"], not: ["a", "aa"]),
    Case("a{02}", ["a{02}"], not: ["aa"]),
    Case("{", ["{"], not: [""]),
    Case("x{2", ["x{2"], not: ["xx"]),
    Case(".", ["a", "é", "€", "😀"], not: ["\n", "", "ab"]),
    Case("(?s).", ["\n", "a"], not: [""]),
    Case("(?s:.)(?-s:.)", ["\na", "ab"], not: ["\n\n"]),
    Case("a(?i)b", ["ab", "aB"], not: ["Ab"]),
    Case("(?:a(?i)b)c", ["aBc"], not: ["aBC"]),
    Case("(?i:k)", ["k", "K", "\u{212a}"], not: ["x"]),
    Case("(?i)s", ["s", "S", "\u{17f}"], not: []),
    Case("(?i)[^k]", ["x"], not: ["k", "K", "\u{212a}"]),
    Case("(?i)σ", ["σ", "ς", "Σ"], not: ["s"]),
    Case("(?i)ß", ["ß", "ẞ"], not: ["ss", "SS"]),
    Case("(?i)i", ["i", "I"], not: ["ı", "İ"]),
    Case("(?i)ǆ", ["ǆ", "ǅ", "Ǆ"], not: []),
    Case(#"(?i)\w"#, ["a", "\u{17f}", "\u{212a}"], not: ["é"]),
    Case(#"(?i)\W"#, ["é"], not: ["\u{17f}", "a"]),
    Case("(?U)a+", ["aaa"], not: [""]),
    Case("(?P<name>a)(?:b)", ["ab"], not: ["a"]),
    Case("(?<name>a)", ["a"], not: [""]),
    Case("[abc]", ["a", "c"], not: ["d", "ab"]),
    Case("[^a-c]", ["d", "\n", "€"], not: ["b", ""]),
    Case("[]a]", ["]", "a"], not: ["b"]),
    Case("[^]a]", ["b"], not: ["]", "a"]),
    Case("[a-]", ["a", "-"], not: ["b"]),
    Case("[-a]", ["a", "-"], not: ["b"]),
    Case(#"[\d-z]"#, ["5", "-", "z"], not: ["a"]),
    Case("[a^]", ["a", "^"], not: ["b"]),
    Case("[[]", ["["], not: ["]"]),
    Case("[[:alpha:]_]+", ["aZ_"], not: ["a1", "é"]),
    Case("[[:^digit:]]", ["a", "é"], not: ["4"]),
    Case("[[:word:][:space:]]+", ["a \t_9"], not: ["-"]),
    Case("[[:alpha]", ["a", ":", "["], not: ["z"]),
    Case("[à-ü]+", ["àéü"], not: ["z", "ý"]),
    Case("[\u{7f}-\u{10ffff}]", ["\u{7f}", "é", "\u{ffff}", "😀"], not: ["~"]),
    Case("[\u{7ff}-\u{801}]", ["\u{7ff}", "\u{800}", "\u{801}"], not: ["\u{7fe}", "\u{802}"]),
    Case("[\u{ffff}-\u{10001}]", ["\u{ffff}", "\u{10000}"], not: ["\u{fffe}", "\u{10002}"]),
    Case(#"\d\D\s\S\w\W"#, ["1a\tb_-"], not: ["aa\tb_-", "1a\u{b}b_-"]),
    Case(#"[\D]"#, ["a"], not: ["3"]),
    Case(#"\pN"#, ["1", "٣", "Ⅷ", "½"], not: ["a"]),
    Case(#"\pL+"#, ["aßΩжあ"], not: ["a1", "_"]),
    Case(#"\PL"#, ["1", " "], not: ["a"]),
    Case(#"\p{Lu}\p{Ll}"#, ["Ab", "Éé"], not: ["aB", "ǅa"]),
    Case(#"\p{^Lu}"#, ["a"], not: ["A"]),
    Case(#"\P{^Lu}"#, ["A"], not: ["a"]),
    Case(#"[\p{Lu}\d]"#, ["A", "4"], not: ["a"]),
    Case(#"\p{Greek}+"#, ["αβΓ"], not: ["a", "ж"]),
    Case(#"\p{Cyrillic}\p{Latin}\p{Han}\p{Hiragana}\p{Yi}"#, ["жa漢あꀀ"], not: ["aжあ漢ꀀ"]),
    Case(#"\p{Any}"#, ["a", "\n", "😀"], not: [""]),
    Case(#"\pZ\p{Sc}\pM"#, [" €\u{301}"], not: ["a€\u{301}"]),
    Case("^a$", ["a"], not: ["a\n"]),
    Case("(?m)^a$\n^b$", ["a\nb"], not: ["ab"]),
    Case("(?m)a$\n", ["a\n"], not: ["a"]),
    Case("a\n^b", [], not: ["a\nb"]),
    Case("(?m)(^|x)*a", ["a", "xa", "xxa"], not: ["ya"]),
    Case(#"\Aa\z"#, ["a"], not: ["a\n"]),
    Case(#"a\b.*\bb"#, ["a b", "a--b"], not: ["ab", "a bb "]),
    Case(#"a\Bb"#, ["ab"], not: ["a b"]),
    Case(#"é\bb"#, ["éb"], not: ["é b"]),
    Case(#"\b"#, [], not: ["", "a"]),
    Case(#"\B"#, [""], not: ["a"]),
    Case("($|a)+", ["", "a", "aa"], not: ["b"]),
    Case("(^a|b$)+", ["a", "b", "ab"], not: ["ba"]),
    Case(#"\a\f\t\n\r\v"#, ["\u{7}\u{c}\t\n\r\u{b}"], not: ["a"]),
    Case(#"\123\07\0"#, ["S\u{7}\0"], not: [""]),
    Case(#"\x41\x{e9}\x{1F600}"#, ["Aé😀"], not: ["A"]),
    Case(#"\.\*\_\/\-"#, [".*_/-"], not: ["a"]),
    Case(#"\Qa.b*\E+"#, ["a.b*", "a.b***"], not: ["aab*", "a.ba.b"]),
    Case(#"\Q\n(?i"#, [#"\n(?i"#], not: ["\n"]),
    Case(#"\C\C"#, ["é", "ab"], not: ["a", "€"]),
    Case(#"\C*"#, ["", "😀a"], not: []),
    Case("(a*)*", ["", "aa"], not: ["b"]),
    Case("(a*)+b", ["b", "aab"], not: ["a"]),
    Case("(|a)+", ["", "aa"], not: ["b"]),
    Case("(a{0,10}){0,100}", ["", "aaaaaaaaaaa"], not: ["b"]),
    Case("[^\\x00-\\x{10FFFF}]", [], not: ["a", ""]),
    Case("a*(?i)*", ["", "aa"], not: ["b"]),
  ]

  @Test(arguments: cases)
  func matchesWhatRE2Matches(_ example: Case) throws {
    #expect(
      try Self.matches(example.pattern, example.matching) == example.matching.map { _ in true })
    #expect(try Self.matches(example.pattern, example.others) == example.others.map { _ in false })
  }

  @Test(arguments: [
    ("a**", "repetition of a repetition at position 3"), ("x{2}{3}", "repetition of a repetition"),
    ("a+*", "repetition of a repetition"), ("*a", "repetition of nothing at position 1"),
    ("(*)", "repetition of nothing"), ("a|+", "repetition of nothing"),
    ("(a", "group without ')' at position 1"), ("a)", "')' without a group at position 2"),
    ("[a", "class of characters without ']'"), ("[]", "class of characters without ']'"),
    ("[z-a]", "range of characters out of order"), (#"[a-\d]"#, "invalid escape"),
    (#"\8"#, "invalid escape"), (#"\1"#, "invalid escape"), (#"\q"#, "invalid escape"),
    (#"\é"#, "invalid escape"), (#"\"#, "'\\' at its end"), (#"\x{110000}"#, "invalid escape"),
    (#"\xg0"#, "invalid escape"), (#"\x{}"#, "invalid escape"), (#"[\b]"#, "invalid escape"),
    (#"\p"#, "invalid escape"), (#"\p{Nope}"#, "unknown class of characters, 'Nope'"),
    (#"\pX"#, "unknown class of characters, 'X'"), (#"\p{Greek"#, "without '}'"),
    ("[[:nope:]]", "unknown class of characters, 'nope'"), ("(?=a)", "RE2 does not have"),
    ("(?<!a)", "RE2 does not have"), ("(?#a)", "RE2 does not have"), ("(?-)", "RE2 does not have"),
    ("(?i", "cut off"), ("(?P<1 >a)", "invalid name"),
    ("(?P<n", "invalid name"), ("(?P=n)", "RE2 does not have"), ("a{1001}", "more than 1000 times"),
    ("a{3,2}", "out of order"), ("(a{1000}){1000}", "more than 1000 times together"),
    ("((a{10}){10}){11}", "more than 1000 times together"),
    (String(repeating: ".{1000}", count: 20), "too large"), (#"\pL{1000}"#, "too large"),
    (String(repeating: "(", count: 200_000), "group without ')'"),
    (String(repeating: "a", count: 300_000), "too large"),
  ])
  func mistakesAreNamed(_ pattern: String, _ reason: String) {
    expectError(.badData, "attribute 'pattern'", reason, when: "\(pattern.prefix(30))") {
      _ = try Self.matches(pattern, ["a"])
    }
  }

  /// Each of these takes an exponential or quadratic time if alternatives are tried one by one.
  @Test(arguments: [
    ("(a*)*b", false), ("(a|aa)+", true), ("(a+a+)+b", false), ("(a|a?)*b", false),
    ("(.*a){12}b", false), ("(a?){500}a*", true), ("((a*)*)*", true),
    (#"(\w+\s?)*-"#, false),
  ])
  func timeIsLinear(_ pattern: String, _ isMatch: Bool) throws {
    let text = String(repeating: "a", count: 60_000)
    #expect(try Self.matches(pattern, [text]) == [isMatch])
  }

  /// More sets of states than are kept: the text has the letter a 12 letters before its end.
  @Test func setsAreForgotten() throws {
    var generator = Generator(seed: 5)
    let letters = (0..<40_000).map { _ in generator.oneIn(2) ? "a" : "b" }
    for last in ["a", "b"] {
      let text = letters.joined() + last + String(repeating: "b", count: 17)
      #expect(try Self.matches("[ab]*a[ab]{17}", [text]) == [last == "a"])
    }
  }

  /// Random patterns of the syntax that Python and RE2 share, and random texts.
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func agreesWithPython() throws {
    let made = try Python.run([Python.maker("regex_cases.py"), "1500"])
    try #require(made.status == 0, "\(made.output)")
    struct Made: Decodable {
      let pattern: String
      let texts: [String]
      let matches: [Bool]
    }
    let cases = try JSONDecoder().decode([Made].self, from: Data(made.output.utf8))
    #expect(cases.count == 1500)
    #expect(cases.count { $0.matches.contains(true) } > 500)
    for example in cases {
      let found = try Self.matches(example.pattern, example.texts)
      #expect(found == example.matches, "\(example.pattern) on \(example.texts)")
    }
  }

  @Test func patternsThatAreSlowEndInTime() {
    // Every set of states is new, and large.
    let pattern = String(repeating: "(a|b|ab|ba){0,300}", count: 60) + "z"
    var text = ""
    var random = UInt64(1)
    for _ in 0..<60_000 {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      text += random >> 63 == 0 ? "a" : "b"
    }
    expectError(.operatingSystem, "steps", "shorter texts") {
      _ = try Self.matches(pattern, [text])
    }
  }
}
