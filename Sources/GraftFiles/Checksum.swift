import CCrypto

/// A hash of a file's content, written `sha256:…` or `md5:…`.
///
/// MD5 is only for files whose publisher states no better hash: it detects damage, not malice.
package struct Checksum: Hashable, Sendable {
  package enum Algorithm: String, Sendable {
    case sha256
    case md5

    fileprivate var hexadecimalDigitCount: Int { self == .sha256 ? 64 : 32 }
    fileprivate var implementation: OpaquePointer? { self == .sha256 ? EVP_sha256() : EVP_md5() }
  }

  package let algorithm: Algorithm
  /// In lower-case hexadecimal.
  package let digest: String

  /// `nil` if `text` is not a checksum.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let algorithm = Algorithm(rawValue: String(parts[0])),
      parts[1].utf8.count == algorithm.hexadecimalDigitCount,
      parts[1].allSatisfy(\.isHexDigit)
    else { return nil }
    self.algorithm = algorithm
    self.digest = parts[1].lowercased()
  }

  /// The checksum of the file at `path`, read piece by piece.
  ///
  /// - Throws: `GraftError` if the file cannot be read
  package init(_ algorithm: Algorithm, ofFile path: String) throws {
    let file = try InputDescriptor(path)
    guard let context = EVP_MD_CTX_new() else {
      throw GraftError(.operatingSystem, "no memory for a checksum")
    }
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestInit_ex(context, algorithm.implementation, nil) == 1 else {
      throw GraftError(.unavailable, "\(algorithm.rawValue) is not available in libcrypto")
    }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = read(file.number, piece.baseAddress, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw GraftError.reading(path) }
      if count == 0 { break }
      EVP_DigestUpdate(context, piece.baseAddress, count)
    }
    var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var byteCount: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &bytes, &byteCount) == 1 else {
      throw GraftError(.software, "libcrypto did not finish a checksum", places: [path])
    }
    let digits = Array("0123456789abcdef")
    self.algorithm = algorithm
    self.digest = String(
      bytes.prefix(Int(byteCount)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}

extension Checksum: CustomStringConvertible {
  package var description: String { "\(algorithm.rawValue):\(digest)" }
}

extension Checksum: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let checksum = Checksum(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not a checksum: \(text)")
    }
    self = checksum
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
