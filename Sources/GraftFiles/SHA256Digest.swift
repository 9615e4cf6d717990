import CCrypto

/// A SHA-256 digest, which distinguishes contents even in the face of malice.
package struct SHA256Digest: BitwiseCopyable, Sendable, Hashable {
  private var word0: UInt64 = 0
  private var word1: UInt64 = 0
  private var word2: UInt64 = 0
  private var word3: UInt64 = 0

  package static let byteCount = 32

  /// The digest of the bytes that `feed` passes on, in order.
  package init(
    _ feed: (_ update: (UnsafeRawBufferPointer) -> Void) throws -> Void
  ) throws {
    guard let context = EVP_MD_CTX_new() else {
      throw GraftError(.operatingSystem, "no memory for a checksum")
    }
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      throw GraftError(.unavailable, "SHA-256 is not available in libcrypto")
    }
    try feed { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    let isDone = withUnsafeMutableBytes(of: &self) { bytes in
      EVP_DigestFinal_ex(context, bytes.bindMemory(to: UInt8.self).baseAddress, nil) == 1
    }
    guard isDone else { throw GraftError(.software, "libcrypto did not finish a checksum") }
  }

  /// The digest of a short text.
  package init(of text: String) throws {
    try self.init { update in
      var text = text
      text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }
  }

  /// 64 lower-case hexadecimal digits.
  package var hexadecimal: String {
    let digits = Array("0123456789abcdef")
    return withUnsafeBytes(of: self) { bytes in
      String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
  }
}
