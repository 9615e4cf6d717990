extension Double {
  /// Reads digits with an optional sign, point and exponent; `nil` for anything else, such as
  /// hexadecimal digits, `nan` and `inf`. A number that is too close to 0 becomes 0.
  package init?(decimal text: some StringProtocol) {
    guard text.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) }) else { return nil }
    self.init(String(text))
  }
}

extension StringProtocol {
  /// Whether the digits of a number, without its exponent, say anything but 0.
  package var hasNonzeroDigit: Bool {
    utf8.prefix { $0 != UInt8(ascii: "e") && $0 != UInt8(ascii: "E") }
      .contains { (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }
  }
}
