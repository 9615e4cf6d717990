/// Unicode's full case mapping, with the rules for Turkish, Azeri and Lithuanian.
///
/// Scalars have their unconditional mappings in the standard library. The conditional ones are
/// those of <https://www.unicode.org/Public/UCD/latest/ucd/SpecialCasing.txt>; their conditions are
/// in section 3.13 of the Unicode Standard.
struct CaseMapping: Sendable {
  private enum Language {
    case root
    /// Turkish and Azeri: dotted and dotless i are different letters.
    case turkic
    /// Lithuanian: i and j keep their dots below accents.
    case lithuanian
  }

  private let language: Language

  /// - Parameter locale: such as `tr_TR`, `lt-LT.UTF-8` or `az`; all others have the root mapping
  init(locale: String = "") {
    let code = locale.utf8.prefix {
      $0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z")
    }
    language =
      switch String(code)?.lowercased() {
      case "tr", "tur", "az", "aze": .turkic
      case "lt", "lit": .lithuanian
      default: .root
      }
  }

  func lowercased(_ text: String) -> String {
    if language == .root, text.utf8.allSatisfy({ $0 < 0x80 }) { return text.lowercased() }
    return mapped(text) { lowercased($0) ?? $0.scalar.properties.lowercaseMapping }
  }

  func uppercased(_ text: String) -> String {
    if language == .root, text.utf8.allSatisfy({ $0 < 0x80 }) { return text.uppercased() }
    return mapped(text) { uppercased($0) ?? $0.scalar.properties.uppercaseMapping }
  }

  private func mapped(_ text: String, _ map: (Position) -> String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for index in scalars.indices { result += map(Position(scalars: scalars, index: index)) }
    return result
  }

  /// The conditional lowercase of a scalar; `nil` where its own applies.
  private func lowercased(_ place: Position) -> String? {
    switch (place.scalar, language) {
    case ("\u{3a3}", _): place.isFinal ? "\u{3c2}" : nil
    case ("\u{130}", .turkic): "i"
    case ("\u{307}", .turkic): place.isAfterI ? "" : nil
    case ("I", .turkic): place.isBeforeDot ? nil : "\u{131}"
    case ("I", .lithuanian), ("J", .lithuanian), ("\u{12e}", .lithuanian):
      place.hasMoreAbove ? place.scalar.properties.lowercaseMapping + "\u{307}" : nil
    case ("\u{cc}", .lithuanian): "i\u{307}\u{300}"
    case ("\u{cd}", .lithuanian): "i\u{307}\u{301}"
    case ("\u{128}", .lithuanian): "i\u{307}\u{303}"
    default: nil
    }
  }

  /// The conditional uppercase of a scalar; `nil` where its own applies.
  private func uppercased(_ place: Position) -> String? {
    switch (place.scalar, language) {
    case ("i", .turkic): "\u{130}"
    case ("\u{307}", .lithuanian): place.isAfterSoftDotted ? "" : nil
    default: nil
    }
  }
}

/// A scalar in its text.
private struct Position {
  let scalars: [Unicode.Scalar]
  let index: Int

  var scalar: Unicode.Scalar { scalars[index] }

  /// The scalars before, from the nearest on.
  private var before: ReversedCollection<ArraySlice<Unicode.Scalar>> {
    scalars[..<index].reversed()
  }

  private var after: ArraySlice<Unicode.Scalar> { scalars[(index + 1)...] }

  /// Final_Sigma: a cased letter before, and none after, apart from scalars that case ignores.
  var isFinal: Bool {
    (before.first { !$0.properties.isCaseIgnorable }?.properties.isCased ?? false)
      && !(after.first { !$0.properties.isCaseIgnorable }?.properties.isCased ?? false)
  }

  /// After_I: an uppercase I before, apart from marks that are not above.
  var isAfterI: Bool { before.first { $0.isBaseOrAbove } == "I" }

  /// Before_Dot: a dot above follows, apart from marks that are not above.
  var isBeforeDot: Bool { after.first { $0.isBaseOrAbove } == "\u{307}" }

  /// More_Above: a mark above follows, apart from marks that are not above.
  var hasMoreAbove: Bool {
    after.first { $0.isBaseOrAbove }?.properties.canonicalCombiningClass == .above
  }

  /// After_Soft_Dotted: a letter that loses its dot before, apart from marks that are not above.
  var isAfterSoftDotted: Bool {
    before.first { $0.isBaseOrAbove }?.properties.isSoftDotted ?? false
  }
}

extension Unicode.Scalar {
  /// Whether it is not combined, or combined above the letter.
  fileprivate var isBaseOrAbove: Bool {
    let combiningClass = properties.canonicalCombiningClass
    return combiningClass == .notReordered || combiningClass == .above
  }
}
