/// Text compared by its UTF-8 bytes, for every name, key and element from a file.
///
/// `String` considers canonically equivalent texts equal, such as "é" as one or two code points. In
/// files these are different names, and one must not replace the other.
package struct ByteString: Sendable {
  package let text: String

  package init(_ text: some StringProtocol) { self.text = String(text) }
}

extension ByteString: Hashable, Comparable {
  package static func == (left: ByteString, right: ByteString) -> Bool {
    left.text.utf8.count == right.text.utf8.count && left.compare(right) == 0
  }

  /// In byte order, which for UTF-8 is the order of code points.
  package static func < (left: ByteString, right: ByteString) -> Bool { left.compare(right) < 0 }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    // The length separates texts that are hashed one after another.
    hasher.combine(text.utf8.count)
  }

  /// Negative, zero or positive if the bytes are before, equal to or after those of `other`.
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
  /// The index of a name that may have been typed: with the same bytes, or else equivalent.
  package func firstIndex(ofName name: String) -> Int? {
    firstIndex { ByteString($0) == ByteString(name) } ?? firstIndex(of: name)
  }
}
