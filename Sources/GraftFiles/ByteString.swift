/// Text whose identity is its bytes in UTF-8: for every name, key and element that comes from a file.
///
/// `String` takes canonically equivalent texts for equal, such as "é" in one code point and in two.
/// In files these are different names, and one of them must not replace the other.
package struct ByteString: Sendable {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }
}

extension ByteString: Hashable, Comparable {
  package static func == (left: ByteString, right: ByteString) -> Bool {
    left.text.utf8.count == right.text.utf8.count && left.compare(right) == 0
  }

  /// By bytes, which for UTF-8 is the order of code points.
  package static func < (left: ByteString, right: ByteString) -> Bool { left.compare(right) < 0 }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    // A length keeps texts that are hashed one after the other apart.
    hasher.combine(text.utf8.count)
  }

  /// Below, equal to or above zero as the bytes come before, are, or come after those of `other`.
  private func compare(_ other: ByteString) -> Int {
    var (left, right) = (text, other.text)
    return left.withUTF8 { left in
      right.withUTF8 { right in
        let count = min(left.count, right.count)
        for index in 0..<count where left[index] != right[index] {
          return Int(left[index]) - Int(right[index])
        }
        return left.count - right.count
      }
    }
  }
}

extension ByteString: ExpressibleByStringLiteral, CustomStringConvertible {
  package init(stringLiteral text: String) { self.text = text }
  package var description: String { text }
}

extension Dictionary where Key == ByteString {
  package subscript(_ text: String) -> Value? {
    get { self[ByteString(text)] }
    set { self[ByteString(text)] = newValue }
  }

  package subscript(_ text: String, default value: @autoclosure () -> Value) -> Value {
    get { self[ByteString(text), default: value()] }
    _modify { yield &self[ByteString(text), default: value()] }
  }
}

extension [String] {
  /// Where a name stands that somebody may have typed: the same bytes, else an equivalent text.
  package func firstIndex(ofName name: String) -> Int? {
    firstIndex { ByteString($0) == ByteString(name) } ?? firstIndex(of: name)
  }
}
