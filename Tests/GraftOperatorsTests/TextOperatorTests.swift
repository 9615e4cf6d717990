import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Operators over strings, beyond their examples.
@Suite struct TextOperatorTests {
  private static func node(
    _ name: String, _ attributes: [ByteString: Attribute], outputCount: Int = 1
  ) -> Node {
    Node(
      operatorType: name, inputs: [ValueID(0)], outputs: (1...outputCount).map { ValueID($0) },
      attributes: attributes)
  }

  // MARK: Case

  private static func mapped(_ text: String, _ change: String, locale: String) throws -> String {
    try NodeTesting.apply(
      node(
        "StringNormalizer",
        ["case_change_action": .string(change), "locale": .string(locale)]),
      [try Tensor(strings: [text], shape: [1])]
    ).strings[0]
  }

  struct Mapping: CustomTestStringConvertible, Sendable {
    let text: String
    let lower: String
    let upper: String
    var locale = ""
    var testDescription: String { "\(text) \(locale)" }
  }

  /// Of <https://www.unicode.org/Public/UCD/latest/ucd/SpecialCasing.txt>. Those without a locale
  /// are also what Python's `str.lower` and `str.upper` give.
  static let mappings = [
    Mapping(text: "Straße", lower: "straße", upper: "STRASSE"),
    Mapping(text: "ẞ", lower: "ß", upper: "ẞ"),
    Mapping(text: "İ", lower: "i\u{307}", upper: "İ"),
    Mapping(text: "ı", lower: "ı", upper: "I"),
    Mapping(text: "ſ\u{212a}", lower: "ſk", upper: "S\u{212a}"),
    Mapping(text: "ǅ", lower: "ǆ", upper: "Ǆ"),
    Mapping(text: "ǈ", lower: "ǉ", upper: "Ǉ"),
    Mapping(text: "ŉ", lower: "ŉ", upper: "ʼN"),
    Mapping(text: "ﬃ", lower: "ﬃ", upper: "FFI"),
    Mapping(text: "և", lower: "և", upper: "ԵՒ"),
    Mapping(text: "ΐ", lower: "ΐ", upper: "Ι\u{308}\u{301}"),
    Mapping(text: "ᾳ", lower: "ᾳ", upper: "ΑΙ"),
    Mapping(text: "ᾼ", lower: "ᾳ", upper: "ΑΙ"),
    Mapping(text: "ᾷ", lower: "ᾷ", upper: "Α\u{342}Ι"),
    Mapping(text: "ΟΔΟΣ", lower: "οδος", upper: "ΟΔΟΣ"),
    Mapping(text: "ΣΑΣ ΟΔΟΣ.", lower: "σας οδος.", upper: "ΣΑΣ ΟΔΟΣ."),
    Mapping(text: "Σ", lower: "σ", upper: "Σ"),
    Mapping(text: "Α.Σ", lower: "α.ς", upper: "Α.Σ"),
    Mapping(text: "ΑΣ\u{301}Α", lower: "ασ\u{301}α", upper: "ΑΣ\u{301}Α"),
    Mapping(text: "ΑΣ\u{ad}", lower: "ας\u{ad}", upper: "ΑΣ\u{ad}"),
    Mapping(text: "1Σ", lower: "1σ", upper: "1Σ"),
    Mapping(text: "ς", lower: "ς", upper: "Σ"),
    Mapping(text: "𐐀𐐨", lower: "𐐨𐐨", upper: "𐐀𐐀"),
    Mapping(text: "Ⅷⓐ", lower: "ⅷⓐ", upper: "ⅧⒶ"),
    Mapping(text: "ა", lower: "ა", upper: "Ა"),
    Mapping(text: "Ꭰꭰ", lower: "ꭰꭰ", upper: "ᎠᎠ"),
    Mapping(text: "E\u{301}é", lower: "e\u{301}é", upper: "E\u{301}É"),
    Mapping(text: "I\u{307}", lower: "i\u{307}", upper: "I\u{307}"),
    Mapping(
      text: "DİYARBAKIR ılıman", lower: "diyarbakır ılıman", upper: "DİYARBAKIR ILIMAN",
      locale: "tr_TR"),
    Mapping(text: "ISPARTA iz", lower: "ısparta iz", upper: "ISPARTA İZ", locale: "az-AZ"),
    Mapping(text: "I\u{307}", lower: "i", upper: "I\u{307}", locale: "tr"),
    Mapping(
      text: "I\u{323}\u{307}", lower: "i\u{323}", upper: "I\u{323}\u{307}", locale: "tr.UTF-8"),
    Mapping(
      text: "I\u{301}\u{307}", lower: "ı\u{301}\u{307}", upper: "I\u{301}\u{307}", locale: "tr"),
    Mapping(text: "ΟΔΟΣ ß", lower: "οδος ß", upper: "ΟΔΟΣ SS", locale: "tr"),
    Mapping(text: "Ìi\u{307}", lower: "i\u{307}\u{300}i\u{307}", upper: "ÌI", locale: "lt_LT"),
    Mapping(text: "Í", lower: "i\u{307}\u{301}", upper: "Í", locale: "lt"),
    Mapping(text: "Ĩ", lower: "i\u{307}\u{303}", upper: "Ĩ", locale: "lt"),
    Mapping(text: "I\u{301}", lower: "i\u{307}\u{301}", upper: "I\u{301}", locale: "lt"),
    Mapping(
      text: "J\u{323}\u{300}", lower: "j\u{307}\u{323}\u{300}", upper: "J\u{323}\u{300}",
      locale: "lt"),
    Mapping(text: "Į\u{303}", lower: "į\u{307}\u{303}", upper: "Į\u{303}", locale: "lit"),
    Mapping(text: "IJ", lower: "ij", upper: "IJ", locale: "lt"),
    Mapping(text: "I\u{323}", lower: "i\u{323}", upper: "I\u{323}", locale: "lt"),
    Mapping(text: "i\u{307}\u{301}", lower: "i\u{307}\u{301}", upper: "I\u{301}", locale: "lt"),
    Mapping(text: "į\u{307}", lower: "į\u{307}", upper: "Į", locale: "lt"),
    Mapping(text: "a\u{307}", lower: "a\u{307}", upper: "A\u{307}", locale: "lt"),
    Mapping(
      text: "i\u{301}\u{307}", lower: "i\u{301}\u{307}", upper: "I\u{301}\u{307}", locale: "lt"),
    Mapping(text: "I", lower: "i", upper: "I", locale: "en_US"),
    Mapping(text: "Ii", lower: "ii", upper: "II", locale: "trk"),
  ]

  @Test(arguments: mappings)
  func caseIsThatOfUnicode(_ mapping: Mapping) throws {
    for (change, expected) in [("LOWER", mapping.lower), ("UPPER", mapping.upper)] {
      let found = try Self.mapped(mapping.text, change, locale: mapping.locale)
      #expect(
        Array(found.unicodeScalars) == Array(expected.unicodeScalars), "\(change): \(found)")
    }
  }

  /// All code points alone, and a final sigma in its surroundings.
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func rootMappingIsThatOfPython() throws {
    // Python may know fewer code points.
    let program = """
      import unicodedata
      for n in list(range(0x20, 0xd800)) + list(range(0xe000, 0x20000)):
          c = chr(n)
          if (c.lower() != c or c.upper() != c) and unicodedata.category(c) != "Cn":
              print(c, c.lower(), c.upper(), ("A" + c + "Σ" + c).lower(), sep="\\t")
      """
    let made = try Python.run(["-X", "utf8", "-c", program])
    try #require(made.status == 0, "\(made.output)")
    let rows = made.output.unicodeScalars.split(separator: "\n").map {
      $0.split(separator: "\t").map { String($0) }
    }
    #expect(rows.count > 2700)
    func all(_ column: Int, _ change: String) throws -> [String] {
      try NodeTesting.apply(
        Self.node("StringNormalizer", ["case_change_action": .string(change)]),
        [try Tensor(strings: rows.map { $0[column] }, shape: [rows.count])]
      ).strings
    }
    let (lower, upper) = (try all(0, "LOWER"), try all(0, "UPPER"))
    let words = rows.map { "A" + $0[0] + "Σ" + $0[0] }
    let phrases = try NodeTesting.apply(
      Self.node("StringNormalizer", ["case_change_action": .string("LOWER")]),
      [try Tensor(strings: words, shape: [words.count])]
    ).strings
    for (index, row) in rows.enumerated() {
      #expect(ByteString(lower[index]) == ByteString(row[1]), "\(row[0])")
      #expect(ByteString(upper[index]) == ByteString(row[2]), "\(row[0])")
      #expect(ByteString(phrases[index]) == ByteString(row[3]), "\(row[0])")
    }
  }

  @Test func stopWordsAreWholeStringsAndComparedByBytes() throws {
    func kept(_ texts: [String], _ attributes: [ByteString: Attribute]) throws -> [String] {
      try NodeTesting.apply(
        Self.node("StringNormalizer", attributes),
        [try Tensor(strings: texts, shape: [texts.count])]
      ).strings
    }
    let words = ["The", "the end", "é", "e\u{301}", ""]
    #expect(
      try kept(words, ["stopwords": .strings(["the", "é"])]) == ["the end", "e\u{301}", ""])
    #expect(
      try kept(words, ["stopwords": .strings(["the", "é"]), "is_case_sensitive": .int(1)])
        == ["The", "the end", "e\u{301}", ""])
    #expect(
      try kept(
        ["straße", "Weg"],
        ["stopwords": .strings(["STRASSE"]), "case_change_action": .string("UPPER")])
        == ["WEG"])
    #expect(
      try kept(["ısı", "isi"], ["stopwords": .strings(["ISI"]), "locale": .string("tr")]) == ["isi"]
    )
  }

  @Test func stringsOfOtherShapesAreRefused() throws {
    let node = Self.node("StringNormalizer", [:])
    for shape in [[], [2, 1], [1, 1, 2]] {
      let strings = [String](repeating: "a", count: shape.elementCount)
      expectError(.badData, "expected [C] or [1, C]", when: "\(shape)") {
        _ = try NodeTesting.apply(node, [try Tensor(strings: strings, shape: shape)])
      }
    }
    for shape in [[0], [1, 0]] {
      let result = try NodeTesting.apply(node, [try Tensor(strings: [], shape: shape)])
      #expect(result.strings == [""])
      #expect(result.shape == shape.map { max($0, 1) })
    }
    expectError(.badData, "case_change_action", "NONE, LOWER, UPPER") {
      _ = try OperatorCatalog.make(
        Self.node("StringNormalizer", ["case_change_action": .string("TITLE")]))
    }
  }

  // MARK: Splitting

  /// Expectations of Python's `str.split`.
  @Test(
    arguments: [
      ("a,b,,c", ",", nil, ["a", "b", "", "c"]), (",", ",", nil, ["", ""]), ("", ",", nil, [""]),
      ("a,b,c", ",", 1, ["a", "b,c"]), ("a,b", ",", 0, ["a,b"]), ("a,b", ",", -5, ["a", "b"]),
      ("aXXXb", "XX", nil, ["a", "Xb"]), ("ababab", "abab", nil, ["", "ab"]),
      ("éaé", "é", nil, ["", "a", ""]),
      ("  a  b ", "", nil, ["a", "b"]), ("  a  b ", "", 1, ["a", "b "]),
      ("  a  b ", "", 0, ["a  b "]),
      ("", "", nil, []), ("   ", "", 0, []),
      ("a\u{a0}b\u{3000}c\u{1c}d\u{85}e", "", nil, ["a", "b", "c", "d", "e"]),
      ("a\u{200b}b", "", nil, ["a\u{200b}b"]),
    ] as [(String, String, Int?, [String])])
  func partsAreThoseOfPython(
    _ text: String, _ delimiter: String, _ limit: Int?, _ expected: [String]
  ) throws {
    var attributes: [ByteString: Attribute] = ["delimiter": .string(delimiter)]
    if let limit { attributes["maxsplit"] = .int(limit) }
    let outputs = try evaluate(
      OperatorCatalog.make(Self.node("StringSplit", attributes, outputCount: 2)),
      inputs: [.tensor(try Tensor(strings: [text], shape: []))], wantedOutputs: [true, true])
    #expect(try outputs[0]?.tensor.strings == expected)
    #expect(try outputs[1]?.tensor.elements(as: Int64.self) == [Int64(expected.count)])
  }

  @Test func longDelimitersTakeALinearTime() throws {
    let text = String(repeating: "a", count: 100_000)
    let delimiter = String(repeating: "a", count: 50_000) + "b"
    let result = try NodeTesting.apply(
      Self.node("StringSplit", ["delimiter": .string(delimiter)]),
      [try Tensor(strings: [text], shape: [1])])
    #expect(result.shape == [1, 1])
  }

  @Test func paddingIsLimited() throws {
    var texts = [String](repeating: "", count: 10_000)
    texts[0] = String(repeating: ",", count: 10_000)
    let operation = try OperatorCatalog.make(
      Self.node("StringSplit", ["delimiter": .string(",")]))
    expectError(.operatingSystem, "memory") {
      _ = try evaluate(
        operation, inputs: [.tensor(try Tensor(strings: texts, shape: [10_000]))],
        wantedOutputs: [true], memoryLimit: 1 << 28)
    }
  }

  // MARK: n-grams

  private static let grams: [ByteString: Attribute] = [
    "mode": .string("TF"), "min_gram_length": .int(1), "max_gram_length": .int(2),
    "max_skip_count": .int(0), "ngram_counts": .ints([0, 2]), "ngram_indexes": .ints([2, 0, 1]),
    "pool_int64s": .ints([7, 8, 7, 8]),
  ]

  /// A weight is that of the n-gram at its place in the pool, wherever its count goes.
  @Test(arguments: [
    ("TF", [2, 1, 2] as [Float]), ("IDF", [20, 30, 10]), ("TFIDF", [40, 30, 20]),
  ])
  func weightsBelongToGrams(_ mode: String, _ expected: [Float]) throws {
    var attributes = Self.grams
    attributes["mode"] = .string(mode)
    attributes["weights"] = .floats([10, 20, 30])
    let result = try NodeTesting.apply(
      Self.node("TfIdfVectorizer", attributes), [try Tensor([7, 8, 8, 7] as [Int64], shape: [4])])
    #expect(try result.elements(as: Float.self) == expected)
  }

  /// Counts in random rows are those of all starts and distances, tried one by one.
  @Test(arguments: [0, 1, 3, 40], [1...1, 1...3, 2...3, 3...3])
  func countsAreThoseOfAllPlaces(_ skips: Int, _ lengths: ClosedRange<Int>) throws {
    var generator = Generator(seed: UInt64(skips))
    let pool = (0..<3).map { size in
      Set((0..<6).map { _ in (0...size).map { _ in generator.below(3) } }).sorted {
        $0.lexicographicallyPrecedes($1)
      }
    }
    var starts = [0]
    for grams in pool.dropLast() { starts.append(starts[starts.count - 1] + grams.joined().count) }
    let grams = pool.joined()
    let attributes: [ByteString: Attribute] = [
      "mode": .string("TF"), "min_gram_length": .int(lengths.lowerBound),
      "max_gram_length": .int(lengths.upperBound), "max_skip_count": .int(skips),
      "ngram_counts": .ints(starts), "ngram_indexes": .ints(Array(0..<grams.count)),
      "pool_int64s": .ints(grams.flatMap { $0 }),
    ]
    let rows = (0..<5).map { _ in (0..<20).map { _ in generator.below(4) } }
    var expected: [Float] = []
    for row in rows {
      for gram in grams {
        let distances =
          !lengths.contains(gram.count) ? 0..<0 : gram.count == 1 ? 1..<2 : 1..<skips + 2
        var count = 0
        for distance in distances {
          for start in row.indices {
            let places = gram.indices.map { start + $0 * distance }
            if places[places.count - 1] < row.count, places.map({ row[$0] }) == gram { count += 1 }
          }
        }
        expected.append(Float(count))
      }
    }
    for threads in [1, 3] {
      let result = try evaluate(
        OperatorCatalog.make(Self.node("TfIdfVectorizer", attributes)),
        inputs: [.tensor(try Tensor(rows.joined().map(Int32.init), shape: [5, 20]))],
        wantedOutputs: [true], threads: threads)
      #expect(try result[0]?.tensor.elements(as: Float.self) == expected)
    }
  }

  @Test(
    arguments: [
      ("mode", .string("tf"), "'tf'"), ("ngram_counts", .ints([0]), "n-grams of 1 to 2"),
      ("ngram_counts", .ints([0, 1]), "n-grams of 2 tokens at 1 to 4"),
      ("ngram_counts", .ints([-1, 2]), "n-grams of 1 tokens at -1"),
      ("ngram_counts", .ints([0, 9]), "n-grams of 1 tokens at 0 to 9"),
      ("ngram_indexes", .ints([0, 1]), "more n-grams"),
      ("ngram_indexes", .ints([]), "ngram_indexes"),
      ("ngram_indexes", .ints([0, -1, 2]), "ngram_indexes"),
      ("ngram_indexes", .ints([0, 1, .max]), "ngram_indexes"),
      ("min_gram_length", .int(0), "n-grams of 0"),
      ("min_gram_length", .int(3), "n-grams of 3 to 2"),
      ("max_skip_count", .int(-1), "max_skip_count"), ("weights", .floats([1]), "1 weights for 3"),
      ("pool_strings", .strings(["a"]), "either"),
    ] as [(String, Attribute, String)])
  func wrongPoolsAreRefused(_ name: String, _ attribute: Attribute, _ reason: String) {
    var attributes = Self.grams
    attributes[name] = attribute
    expectError(.badData, reason) {
      _ = try OperatorCatalog.make(Self.node("TfIdfVectorizer", attributes))
    }
  }

  /// The last distances reach beyond the row: there is nothing to try.
  @Test func hugeSkipsEnd() throws {
    var attributes = Self.grams
    attributes["max_skip_count"] = .int(.max)
    let result = try NodeTesting.apply(
      Self.node("TfIdfVectorizer", attributes), [try Tensor([7, 1, 8] as [Int64], shape: [3])])
    #expect(try result.elements(as: Float.self) == [1, 1, 1])
  }
}
