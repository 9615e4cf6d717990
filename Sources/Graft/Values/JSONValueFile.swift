import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Reads and writes values as JSON: nested arrays for tensors, arrays of those for sequences, objects
/// for maps, null for empty optionals.
package enum JSONValueFile {
  static let depthLimit = 128

  /// The value in a file: itself, or the member of an object with the name of the input, or its
  /// only one.
  ///
  /// - Parameters:
  ///   - name: the input
  ///   - type: the type of the value, which its JSON does not tell
  /// - Throws: `GraftError` if the file has no such value
  package static func read(path: String, name: String, type: ValueType) throws -> RuntimeValue {
    let storage = try Storage.mappedFile(path: path)
    return try withPlace(path) {
      let bytes = UnsafeRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
      defer { withExtendedLifetime(storage) {} }
      return try read(bytes, name: name, type: type)
    }
  }

  /// As ``read(path:name:type:)``.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, name: String, type: ValueType
  ) throws -> RuntimeValue {
    var scanner = JSONScanner(bytes)
    guard scanner.peek() == UInt8(ascii: "{") else {
      let value = try JSONValueReader.value(&scanner, type)
      try scanner.requireEnd()
      return value
    }
    var names: [String] = []
    var places: [Int] = []
    var members = scanner
    try members.forEachMember { scanner, name in
      names.append(name)
      places.append(scanner.position)
      try scanner.skipValue()
    }
    try members.requireEnd()
    let found =
      names.firstIndex(where: { ByteString($0) == ByteString(name) })
      ?? (names.count == 1 ? 0 : nil)
    if case .map = type {
      // The object may be the map itself.
      var member = scanner
      if let found { member.position = places[found] }
      if found == nil || member.peek() != UInt8(ascii: "{") {
        return try JSONValueReader.value(&scanner, type)
      }
    }
    guard let index = found else {
      throw GraftError.badData(
        "has no member '\(name)'",
        hint: names.isEmpty ? "It is an empty object" : "It has \(names.listed())")
    }
    var member = scanner
    member.position = places[index]
    return try withPlace("'\(names[index])'") { try JSONValueReader.value(&member, type) }
  }

  /// Writes an object with a member for each value.
  ///
  /// - Throws: `GraftError` if two values have the same name, or the file cannot be written
  package static func write(_ values: [(name: String, value: RuntimeValue)], path: String) throws {
    var names: Set<ByteString> = []
    for (name, _) in values where !names.insert(ByteString(name)).inserted {
      throw GraftError.badData("cannot hold two values named '\(name)'").at(path)
    }
    let file = try AtomicFile(path: path)
    var writer = JSONValueWriter { try file.write($0) }
    try writer.write(values)
    try file.commit()
  }
}
