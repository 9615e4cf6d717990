import GraftFiles

/// Scalars in TensorBoard's format: a file of records, each a protocol buffer `Event`.
///
/// Sources: <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto>
/// and `framework/summary.proto` next to it;
/// <https://www.tensorflow.org/tutorials/load_data/tfrecord> for the records
final class EventFile {
  /// TensorBoard reads files with `tfevents` in their name.
  static let name = "events.out.tfevents.graft"

  private let file: AppendedFile

  /// - Parameter length: the bytes to keep of an existing file
  init(folder: String, length: Int) throws {
    file = try AppendedFile("\(folder)/\(EventFile.name)", length: length)
    if length == 0 {
      var event = EventFile.time()
      event.append(field: 3, text: "brain.Event:2")
      try append(event)
    }
  }

  var length: Int { file.length }

  func sync() throws { try file.sync() }

  /// Appends one point for each curve; the tags are the curves' names.
  func append(_ scalars: [(tag: String, value: Double)], step: Int) throws {
    var summary = ProtocolBuffer()
    for scalar in scalars {
      var value = ProtocolBuffer()
      value.append(field: 1, text: scalar.tag)
      value.append(field: 2, float: Float(scalar.value))
      summary.append(field: 1, value.bytes)
    }
    var event = EventFile.time()
    event.append(field: 2, integer: step)
    event.append(field: 5, summary.bytes)
    try append(event)
  }

  /// An event with the seconds since 1970.
  private static func time() -> ProtocolBuffer {
    var event = ProtocolBuffer()
    event.append(field: 1, double: Double(SystemTime.sinceEpoch) / 1e9)
    return event
  }

  /// A record: its length, and the masked checksums of the length and of the content.
  private func append(_ event: ProtocolBuffer) throws {
    let length = EventFile.littleEndian(UInt64(event.bytes.count))
    try file.append(
      length + EventFile.littleEndian(CRC32C.masked(length)) + event.bytes
        + EventFile.littleEndian(CRC32C.masked(event.bytes)))
  }

  fileprivate static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

/// The few field types that events use.
///
/// Source: <https://protobuf.dev/programming-guides/encoding/>
private struct ProtocolBuffer {
  private(set) var bytes: [UInt8] = []

  mutating func append(field: Int, double: Double) {
    append(variable: UInt64(field << 3 | 1))
    bytes += EventFile.littleEndian(double.bitPattern)
  }

  mutating func append(field: Int, float: Float) {
    append(variable: UInt64(field << 3 | 5))
    bytes += EventFile.littleEndian(float.bitPattern)
  }

  mutating func append(field: Int, integer: Int) {
    append(variable: UInt64(field << 3))
    append(variable: UInt64(bitPattern: Int64(integer)))
  }

  mutating func append(field: Int, text: String) { append(field: field, Array(text.utf8)) }

  mutating func append(field: Int, _ content: [UInt8]) {
    append(variable: UInt64(field << 3 | 2))
    append(variable: UInt64(content.count))
    bytes += content
  }

  /// Seven bits per byte, lowest first.
  private mutating func append(variable: UInt64) {
    var rest = variable
    while rest > 0x7f {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// The checksum of TensorFlow's records.
///
/// Source: RFC 3720, appendix B.4; the mask is that of
/// <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/hash/crc32c.h>
package enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1
    }
  }

  package static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { table[Int(($0 ^ UInt32($1)) & 0xff)] ^ $0 >> 8 }
  }

  /// Rotated and shifted, since checksums of data that contain checksums are weak.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let value = checksum(bytes)
    return (value >> 15 | value << 17) &+ 0xa282_ead8
  }
}
