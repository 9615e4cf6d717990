import GraftFiles

/// The classes of characters with names in regular expressions.
///
/// Source: <https://github.com/google/re2/wiki/Syntax>
enum ScalarClasses {
  /// `\d`, `\s` and `\w`, which are those of ASCII.
  static let perl: [Unicode.Scalar: ScalarSet] = [
    "d": digits, "s": ScalarSet("\t\n\u{c}\r "), "w": word,
  ]

  /// `[:alpha:]` and others.
  static func ascii(_ name: String) -> ScalarSet? {
    switch name {
    case "alnum": letters.union(digits)
    case "alpha": letters
    case "ascii": ScalarSet([0...0x7f])
    case "blank": ScalarSet("\t ")
    case "cntrl": ScalarSet([0...0x1f, 0x7f...0x7f])
    case "digit": digits
    case "graph": ScalarSet([0x21...0x7e])
    case "lower": ScalarSet([range("a", "z")])
    case "print": ScalarSet([0x20...0x7e])
    case "punct": ScalarSet([0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e])
    case "space": ScalarSet("\t\n\u{b}\u{c}\r ")
    case "upper": ScalarSet([range("A", "Z")])
    case "word": word
    case "xdigit": digits.union(ScalarSet([range("a", "f"), range("A", "F")]))
    default: nil
    }
  }

  /// `\p{Lu}` and others: general categories and scripts.
  static func unicode(_ name: String) -> ScalarSet? {
    if name == "Any" { return .all }
    if name.utf8.count == 1 {
      // RE2 counts code points that are not assigned to none.
      let parts = categories.filter { $0.key.hasPrefix(name) && $0.key != "Cn" }
      return parts.isEmpty ? nil : ScalarSet(parts.flatMap { $0.value })
    }
    if name != "Cn", let ranges = categories[name] { return ScalarSet(ranges) }
    return UnicodeScripts.ranges(of: name).map { ScalarSet($0) }
  }

  private static let digits = ScalarSet([range("0", "9")])
  private static let letters = ScalarSet([range("A", "Z"), range("a", "z")])
  private static let word = letters.union(digits).union(ScalarSet("_"))

  private static func range(_ first: Unicode.Scalar, _ last: Unicode.Scalar) -> ScalarSet.Range {
    first.value...last.value
  }

  /// The code points of each general category, by its short name.
  private static let categories: [String: [ScalarSet.Range]] = {
    var categories: [String: [ScalarSet.Range]] = [:]
    var start: UInt32 = 0
    var current = Unicode.GeneralCategory.control
    func finish(before end: UInt32) {
      if start < end { categories[shortName(current), default: []].append(start...end - 1) }
      start = end
    }
    for value in 0...ScalarSet.largest {
      // Only surrogates are no scalars.
      let category = Unicode.Scalar(value)?.properties.generalCategory ?? .surrogate
      if category != current {
        finish(before: value)
        current = category
      }
    }
    finish(before: ScalarSet.largest + 1)
    return categories
  }()

  private static func shortName(_ category: Unicode.GeneralCategory) -> String {
    switch category {
    case .uppercaseLetter: "Lu"
    case .lowercaseLetter: "Ll"
    case .titlecaseLetter: "Lt"
    case .modifierLetter: "Lm"
    case .otherLetter: "Lo"
    case .nonspacingMark: "Mn"
    case .spacingMark: "Mc"
    case .enclosingMark: "Me"
    case .decimalNumber: "Nd"
    case .letterNumber: "Nl"
    case .otherNumber: "No"
    case .connectorPunctuation: "Pc"
    case .dashPunctuation: "Pd"
    case .openPunctuation: "Ps"
    case .closePunctuation: "Pe"
    case .initialPunctuation: "Pi"
    case .finalPunctuation: "Pf"
    case .otherPunctuation: "Po"
    case .mathSymbol: "Sm"
    case .currencySymbol: "Sc"
    case .modifierSymbol: "Sk"
    case .otherSymbol: "So"
    case .spaceSeparator: "Zs"
    case .lineSeparator: "Zl"
    case .paragraphSeparator: "Zp"
    case .control: "Cc"
    case .format: "Cf"
    case .surrogate: "Cs"
    case .privateUse: "Co"
    case .unassigned: "Cn"
    @unknown default: "Cn"
    }
  }
}
