import GraftFiles
import GraftTensor

/// Strings as NumPy stores them: all of one length, filled with zeros, in UTF-32 (`U`) or as bytes
/// (`S`).
struct NPYStrings {
  private let isBytes: Bool
  private let isBigEndian: Bool
  private let length: Int
  private let shape: Shape

  /// - Returns: `nil` if the elements of the array are not strings
  init?(header: String) throws {
    let descriptor = try NPYHeader.quoted("descr", in: header)
    guard let order = descriptor.first, let kind = descriptor.dropFirst().first,
      kind == "U" || kind == "S", let length = Int(descriptor.dropFirst(2)), length >= 0
    else { return nil }
    isBytes = kind == "S"
    isBigEndian = order == ">"
    self.length = length
    shape = try NPYHeader.shape(header)
    guard try !NPYHeader.isFortranOrder(header) || shape.count < 2 else {
      throw GraftError.unsupported("has strings in column-major order")
    }
  }

  func tensor(_ bytes: UnsafeRawBufferPointer) throws -> Tensor {
    let count = try shape.checkedElementCount()
    let (width, overflow) = length.multipliedReportingOverflow(by: isBytes ? 1 : 4)
    let (byteCount, isTooLarge) = count.multipliedReportingOverflow(by: width)
    guard !overflow, !isTooLarge, byteCount <= bytes.count else {
      throw GraftError.badData("is truncated: its strings exceed its \(bytes.count) bytes of data")
    }
    // Strings of length 0 take no bytes in the file.
    guard try Tensor.memoryByteCount(.string, shape) <= Storage.byteLimit else {
      throw GraftError(.operatingSystem, "cannot allocate \(count) strings")
    }
    let strings = try (0..<count).map { index in
      try string(UnsafeRawBufferPointer(rebasing: bytes[index * width..<(index + 1) * width]))
    }
    return try Tensor(strings: strings, shape: shape)
  }

  private func string(_ bytes: UnsafeRawBufferPointer) throws -> String {
    if isBytes {
      let end = bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
      return String(decoding: bytes[..<end], as: UTF8.self)
    }
    var text = ""
    var zeroCount = 0
    for start in stride(from: 0, to: bytes.count, by: 4) {
      let code = bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)
      let value = isBigEndian ? UInt32(bigEndian: code) : UInt32(littleEndian: code)
      guard let scalar = Unicode.Scalar(value) else {
        throw GraftError.badData("has a string with the invalid code point \(value)")
      }
      if value == 0 {
        zeroCount += 1
        continue
      }
      for _ in 0..<zeroCount { text.unicodeScalars.append("\0") }
      zeroCount = 0
      text.unicodeScalars.append(scalar)
    }
    return text
  }

  /// The element code, and the strings in memory as NumPy has them.
  ///
  /// - Throws: `GraftError` if a long one would make them all too long
  static func stored(_ tensor: Tensor) throws -> (code: String, elements: Tensor) {
    let length = max(1, tensor.strings.map(\.unicodeScalars.count).max() ?? 1)
    let (count, overflow) = length.multipliedReportingOverflow(by: max(1, tensor.elementCount))
    guard !overflow, count <= byteLimit / 4 else {
      throw GraftError.unsupported(
        "NPY would store all strings with \(length) characters, which is too much",
        hint: "Use a .json file")
    }
    let elements = try Tensor(zeros: .uint32, shape: [tensor.elementCount, length])
    elements.withUnsafeMutableBytes { bytes in
      let codes = bytes.bindMemory(to: UInt32.self)
      for (index, text) in tensor.strings.enumerated() {
        for (place, scalar) in text.unicodeScalars.enumerated() {
          codes[index * length + place] = scalar.value.littleEndian
        }
      }
    }
    return ("<U\(length)", elements)
  }

  private static let byteLimit = 1 << 30
}
