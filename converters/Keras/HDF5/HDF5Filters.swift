import CZlib
import GraftFiles
import GraftTensor

/// The filters that were applied to each chunk before writing.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.l
struct HDF5Filters {
  private enum Filter {
    case deflate
    case shuffle(elementByteCount: Int)
    case fletcher32
  }

  /// In the order of their application.
  private var filters: [Filter] = []

  var isEmpty: Bool { filters.isEmpty }

  /// No filters.
  init() {}

  /// - Throws: `GraftError` for unknown filters
  init(_ message: HDF5Reader) throws {
    var reader = message
    let version = try reader.byte()
    guard version == 1 || version == 2 else {
      throw GraftError.unknownHDF5(version: version, of: "a list of filters")
    }
    let count = try reader.byte()
    if version == 1 { try reader.skip(6) }
    for _ in 0..<count {
      let number = try reader.integer(width: 2)
      let nameByteCount = version == 2 && number < 256 ? 0 : try reader.integer(width: 2)
      try reader.skip(2)
      let valueCount = try reader.integer(width: 2)
      let start = reader.position
      let name = try reader.string(nameByteCount).prefix { $0 != "\0" }
      if version == 1 { try reader.align(from: start) }
      let values = try (0..<valueCount).map { _ in try reader.integer(width: 4) }
      if version == 1 && valueCount % 2 == 1 { try reader.skip(4) }
      switch number {
      case 1: filters.append(.deflate)
      case 2:
        guard let elementByteCount = values.first, elementByteCount > 0 else {
          throw GraftError.damagedHDF5("shuffled elements have no bytes")
        }
        filters.append(.shuffle(elementByteCount: elementByteCount))
      case 3: filters.append(.fletcher32)
      default:
        let names = [4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf", 32001: "blosc"]
        let stored = name.isEmpty ? "filter \(number)" : String(name)
        throw GraftError.unsupported(
          "is compressed with \(names[number] ?? stored)",
          hint: "Write the file with gzip or without compression")
      }
    }
  }

  /// The bytes of a chunk before filtering.
  ///
  /// - Parameters:
  ///   - stored: the bytes in the file
  ///   - mask: a bit for each filter that was skipped
  ///   - byteCount: the number of bytes of the chunk
  /// - Throws: `GraftError` if the chunk is damaged
  func decode(_ stored: UnsafeRawBufferPointer, mask: Int, byteCount: Int) throws -> [UInt8] {
    var bytes = [UInt8](stored)
    for (index, filter) in filters.enumerated().reversed() where mask >> index & 1 == 0 {
      switch filter {
      case .deflate:
        // An earlier filter may have added its checksum.
        bytes = try HDF5Filters.inflated(bytes, limit: byteCount + 4 * filters.count)
      case .shuffle(let width): bytes = HDF5Filters.unshuffled(bytes, elementByteCount: width)
      case .fletcher32: try HDF5Filters.removeChecksum(&bytes)
      }
    }
    guard bytes.count == byteCount else {
      throw GraftError.badData(
        "a chunk has \(bytes.count) bytes instead of \(byteCount)",
        hint: "Download or copy the file again")
    }
    return bytes
  }

  private static func inflated(_ bytes: [UInt8], limit: Int) throws -> [UInt8] {
    var status = Z_OK
    let inflated = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      var byteCount = uLongf(limit)
      status = uncompress(buffer.baseAddress, &byteCount, bytes, uLong(bytes.count))
      count = status == Z_OK ? Int(byteCount) : 0
    }
    guard status == Z_OK else {
      throw GraftError.badData(
        "a compressed chunk is damaged", hint: "Download or copy the file again")
    }
    return inflated
  }

  /// Reorders elements that are stored as all first bytes, then all second bytes, and so on.
  private static func unshuffled(_ bytes: [UInt8], elementByteCount width: Int) -> [UInt8] {
    let count = bytes.count / width
    guard width > 1, count > 1 else { return bytes }
    var result = bytes
    bytes.withUnsafeBufferPointer { source in
      result.withUnsafeMutableBufferPointer { target in
        for plane in 0..<width {
          for index in 0..<count {
            target[index * width + plane] = source[plane * count + index]
          }
        }
      }
    }
    return result
  }

  private static func removeChecksum(_ bytes: inout [UInt8]) throws {
    guard bytes.count >= 4 else { throw damagedChunk }
    let stored = bytes.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    bytes.removeLast(4)
    let checksum = bytes.withUnsafeBytes { HDF5Checksum.fletcher32($0) }
    // Early versions on little-endian machines swapped the bytes of each half.
    let turned = (checksum & 0x00ff_00ff) << 8 | checksum >> 8 & 0x00ff_00ff
    guard stored == checksum || stored == turned else { throw damagedChunk }
  }

  private static let damagedChunk = GraftError.badData(
    "a chunk's checksum is wrong", hint: "Download or copy the file again")
}
