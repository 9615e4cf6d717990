import Foundation
import GraftFiles
import Testing

@Suite struct FormattingTests {
  @Test func numbersAreThoseOfPrintf() {
    #expect(String(printf: "%.2f %%", 12.345) == String(format: "%.2f %%", 12.345))
    #expect(String(printf: "#%06x", 0xab as UInt32) == "#0000ab")
    #expect(String(printf: "%6.2f|%.3g|%.0e", 1.0, 1.5e-7, 1e-5) == "  1.00|1.5e-07|1e-05")
    #expect(String(printf: "%.1f", Double.greatestFiniteMagnitude).count == 311)
    #expect(String(printf: "±") == "±")
  }

  @Test func spacesGoFromBothEnds() {
    let texts = ["", " ", " a b\t", "\u{a0}a\u{3000}", "a\n", "\u{301}a ", " \u{301}a"]
    for text in texts {
      let expected = text.trimmingCharacters(in: .whitespaces)
      #expect(Array(text.trimmed.utf8) == Array(expected.utf8), "\(text.debugDescription)")
    }
  }

  /// A mark that combines with a character does not hide it.
  @Test func charactersAreReplacedByCodePoint() {
    let text = "a<\u{301}b&\"".replacing(["<": "&lt;", "&": "&amp;", "\"": "&quot;"])
    #expect(Array(text.utf8) == Array("a&lt;\u{301}b&amp;&quot;".utf8))
  }
}
