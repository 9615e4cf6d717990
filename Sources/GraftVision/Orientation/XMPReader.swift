/// Reads only the property `tiff:Orientation` of an XMP packet, as an attribute or an element.
///
/// The packet is searched, not parsed: no other property ends with this name, and no XML can make a
/// search run long.
package enum XMPReader {
  private static let name = Array("tiff:Orientation".utf8)

  /// `nil` if the property is missing or invalid.
  package static func orientation(in packet: [UInt8]) -> Orientation? {
    var start = packet.startIndex
    while let found = packet[start...].firstRange(of: name) {
      if let orientation = value(packet[found.upperBound...]) { return orientation }
      start = found.upperBound
    }
    return nil
  }

  /// The value after the name: `="6"`, `='6'` or `>6<`, with white space anywhere.
  private static func value(_ text: ArraySlice<UInt8>) -> Orientation? {
    var rest = text.drop(while: PNMText.isSpace)
    switch rest.popFirst() {
    case UInt8(ascii: ">"): break
    case UInt8(ascii: "="):
      rest = rest.drop(while: PNMText.isSpace)
      guard let quote = rest.popFirst(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
      else { return nil }
    default: return nil
    }
    let digits = rest.drop(while: PNMText.isSpace).prefix {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
    }
    return digits.count == 1
      ? digits.first.flatMap { Orientation(rawValue: Int($0 - UInt8(ascii: "0"))) } : nil
  }
}
