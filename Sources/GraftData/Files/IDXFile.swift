import GraftFiles
import GraftTensor

/// Reads the IDX format of the MNIST files: bytes of up to four dimensions.
///
/// Source: <https://yann.lecun.com/exdb/mnist/> ("The IDX file format")
package enum IDXFile {
  private static let unsignedByte: UInt8 = 0x08

  /// Reads a file, possibly compressed by gzip.
  ///
  /// - Returns: a uint8 tensor, mapped or unpacked, with the file's shape (`[N, rows, columns]` or
  ///   `[N]`)
  /// - Throws: `GraftError` if the file is missing or not an IDX file of bytes
  package static func read(path: String) throws -> Tensor {
    let bytes = try FileBytes(mapping: path)
    return try withPlace(path) { try read(bytes) }
  }

  /// Like ``read(path:)``, from memory.
  package static func read(_ stored: FileBytes) throws -> Tensor {
    let content = try ArchiveReader.unpacked(stored)
    return try content.withUnsafeBytes { bytes in
      guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
        throw GraftError.badData("is not an IDX file")
      }
      guard bytes[2] == unsignedByte else {
        throw GraftError.unsupported("has elements of kind \(bytes[2]); only bytes are supported")
      }
      let rank = Int(bytes[3])
      let header = 4 + 4 * rank
      guard (1...4).contains(rank), bytes.count >= header else {
        throw GraftError.badData("is truncated in its header")
      }
      let shape = (0..<rank).map { axis in
        Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4 + 4 * axis, as: UInt32.self)))
      }
      let byteCount = try Tensor.byteCount(.uint8, shape)
      let data = try content.part(at: header, count: byteCount)
      return try Tensor(
        elementType: .uint8, shape: shape, storage: data.storage,
        byteOffset: data.range.lowerBound)
    }
  }
}
