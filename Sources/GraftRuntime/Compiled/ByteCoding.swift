import GraftFiles

/// Collects numbers and text as bytes, little-endian.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func add(_ value: Int) { add(UInt64(bitPattern: Int64(value))) }
  mutating func add(_ value: Bool) { bytes.append(value ? 1 : 0) }
  mutating func add(_ value: UInt8) { bytes.append(value) }
  mutating func add(_ value: Float) { add(UInt64(value.bitPattern)) }

  mutating func add(_ text: String) {
    add(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func add<Element>(
    _ elements: some Collection<Element>, _ body: (inout ByteWriter, Element) throws -> Void
  ) rethrows {
    add(elements.count)
    for element in elements { try body(&self, element) }
  }

  /// Sorted by key, so that equal dictionaries give equal bytes.
  mutating func add(_ dictionary: [ByteString: String]) {
    add(dictionary.sorted { $0.key < $1.key }) {
      $0.add($1.key.text)
      $0.add($1.value)
    }
  }
}

/// Reads the bytes of a ``ByteWriter``. Damaged bytes are an error, and never cause access outside.
extension ByteReader {
  static var damage: GraftError { GraftError.badData("is damaged") }

  mutating func unsigned() throws -> UInt64 {
    UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self))
  }

  mutating func byte() throws -> UInt8 { try take(1)[0] }
  mutating func int() throws -> Int { Int(Int64(bitPattern: try unsigned())) }

  mutating func bool() throws -> Bool { try byte() != 0 }

  mutating func float() throws -> Float {
    Float(bitPattern: UInt32(truncatingIfNeeded: try unsigned()))
  }

  mutating func string() throws -> String {
    String(decoding: try take(elementCount()), as: UTF8.self)
  }

  /// The number of elements of a list; each of them takes at least a byte.
  mutating func elementCount() throws -> Int {
    let count = try int()
    guard count >= 0, count <= restCount else { throw ByteReader.damage }
    return count
  }

  mutating func array<Element>(
    _ element: (inout ByteReader) throws -> Element
  ) throws -> [Element] {
    var elements: [Element] = []
    for _ in 0..<(try elementCount()) { elements.append(try element(&self)) }
    return elements
  }

  mutating func dictionary() throws -> [ByteString: String] {
    let pairs = try array { (ByteString(try $0.string()), try $0.string()) }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }
}
