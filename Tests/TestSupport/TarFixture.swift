import Foundation

/// Writes tar archives, hostile ones too.
///
/// Source: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html> (ustar)
package enum TarFixture {
  package struct Member {
    package var path: String
    package var content: [UInt8]
    /// `0` for a file, `1` and `2` for a hard and a symbolic link, `5` for a folder.
    package var type: Character
    package var link: String
    /// The size in the header, if it is not the content's.
    package var declaredSize: Int?

    package init(
      _ path: String, _ content: [UInt8] = [], type: Character = "0", link: String = "",
      declaredSize: Int? = nil
    ) {
      self.path = path
      self.content = content
      self.type = type
      self.link = link
      self.declaredSize = declaredSize
    }
  }

  package static func archive(_ members: [Member]) -> [UInt8] {
    members.flatMap { header($0) + padded($0.content) } + [UInt8](repeating: 0, count: 1024)
  }

  private static func header(_ member: Member) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in bytes(text).enumerated() { header[offset + index] = byte }
    }
    put(member.path, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(member.declaredSize ?? member.content.count, digits: 11), at: 124)
    put("00000000000", at: 136)
    put("        ", at: 148)
    put(String(member.type), at: 156)
    put(member.link, at: 157)
    put("ustar\u{0}00", at: 257)
    put(octal(header.reduce(0) { $0 + Int($1) }, digits: 6) + "\u{0} ", at: 148)
    return header
  }

  /// The bytes of a name, in which U+10F7NN represents 0xNN.
  private static func bytes(_ name: String) -> [UInt8] {
    name.unicodeScalars.flatMap { scalar in
      (0x10f780...0x10f7ff).contains(scalar.value)
        ? [UInt8(scalar.value - 0x10f700)] : Array(String(scalar).utf8)
    }
  }

  private static func octal(_ number: Int, digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: digits - text.utf8.count) + text
  }

  private static func padded(_ content: [UInt8]) -> [UInt8] {
    content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// The bytes compressed by the program gzip.
  package static func gzipped(_ bytes: [UInt8]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let path = try folder.write("file", bytes)
    let gzip = Process()
    gzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    gzip.arguments = ["gzip", "-n", path]
    try gzip.run()
    gzip.waitUntilExit()
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".gz")))
  }
}
