import FoundationEssentials
import GraftFiles
import GraftTensor

/// Reads and writes NumPy's NPY format, versions 1 to 3.
///
/// Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
package enum NPYFile {
  private static let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]  // \x93NUMPY

  /// - Parameter allowsStrings: whether the elements may be strings
  /// - Throws: `GraftError` if the file is missing or damaged, or has unsupported elements
  package static func read(path: String, allowsStrings: Bool = false) throws -> Tensor {
    let storage = try Storage.mappedFile(path: path)
    return try withPlace(path) {
      if let kind = FileKind.recognize(storage), kind != .numPyArray {
        throw kind.error(expected: "a NumPy array (.npy)", advice: "Write it with numpy.save")
      }
      return try read(storage, 0..<storage.byteCount, allowsStrings: allowsStrings)
    }
  }

  /// Reads an array in a part of `storage`. Its data are not copied unless they need conversion.
  package static func read(
    _ storage: Storage, _ range: Range<Int>, allowsStrings: Bool = false
  ) throws -> Tensor {
    let bytes = UnsafeRawBufferPointer(
      start: storage.baseAddress + range.lowerBound, count: range.count)
    guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else {
      throw GraftError.badData("is not an NPY array")
    }
    let isLong = bytes[6] >= 2
    let lengthOffset = 8
    let headerStart = lengthOffset + (isLong ? 4 : 2)
    guard bytes.count >= headerStart else { throw GraftError.badData("is truncated") }
    let headerLength =
      isLong
      ? Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
      : Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
    guard headerLength <= bytes.count - headerStart else {
      throw GraftError.badData("is truncated")
    }
    let text = String(
      decoding: bytes[headerStart..<headerStart + headerLength], as: UTF8.self)
    if allowsStrings, let strings = try NPYStrings(header: text) {
      return try strings.tensor(
        UnsafeRawBufferPointer(rebasing: bytes[(headerStart + headerLength)...]))
    }
    let header = try NPYHeader(text)
    let tensor = try Tensor(
      elementType: header.elementType,
      shape: header.isFortranOrder ? header.shape.reversed() : header.shape,
      storage: storage, byteOffset: range.lowerBound + headerStart + headerLength)
    guard tensor.byteCount <= bytes.count - headerStart - headerLength else {
      throw GraftError.badData("is truncated: it should have \(tensor.byteCount) bytes of data")
    }
    return try header.native(tensor)
  }

  /// The bytes of an NPY file.
  package static func encode(_ tensor: Tensor) throws -> [UInt8] {
    let (header, elements) = try parts(of: tensor)
    var data = header
    elements.withUnsafeBytes { data.append(contentsOf: $0) }
    return data
  }

  /// The bytes before the elements, and the elements as they are stored.
  static func parts(of tensor: Tensor) throws -> (header: [UInt8], elements: Tensor) {
    if tensor.elementType == .string {
      let (code, elements) = try NPYStrings.stored(tensor)
      return (header(code, tensor.shape), elements)
    }
    guard let code = NPYHeader.code(of: tensor.elementType) else {
      throw GraftError.unsupported("NPY cannot store elements of type \(tensor.elementType)")
    }
    return (header(code, tensor.shape), tensor)
  }

  private static func header(_ code: String, _ shape: Shape) -> [UInt8] {
    let shape =
      shape.count == 1
      ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
    var header = "{'descr': '\(code)', 'fortran_order': False, 'shape': \(shape), }"
    let unpadded = magic.count + 4 + header.utf8.count + 1
    header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + header.utf8
  }
}

/// The Python dictionary at the start of an NPY file.
struct NPYHeader {
  let elementType: ElementType
  let isBigEndian: Bool
  let isFortranOrder: Bool
  let shape: Shape

  private static let codes: [String: ElementType] = [
    "f2": .float16, "f4": .float, "f8": .double, "i1": .int8, "i2": .int16, "i4": .int32,
    "i8": .int64, "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "b1": .bool,
    "c8": .complex64, "c16": .complex128,
  ]

  static func code(of type: ElementType) -> String? {
    guard let code = codes.first(where: { $0.value == type })?.key else { return nil }
    return (type.byteWidth == 1 ? "|" : "<") + code
  }

  init(_ text: String) throws {
    let descriptor = try Self.quoted("descr", in: text)
    guard let order = descriptor.first, let type = Self.codes[String(descriptor.dropFirst())] else {
      throw GraftError.unsupported("has unsupported elements of kind '\(descriptor)'")
    }
    elementType = type
    isBigEndian = order == ">"
    isFortranOrder = try Self.isFortranOrder(text)
    shape = try Self.shape(text)
  }

  static func isFortranOrder(_ text: String) throws -> Bool {
    try value("fortran_order", in: text).hasPrefix("True")
  }

  static func shape(_ text: String) throws -> Shape {
    let tuple = try value("shape", in: text)
    guard tuple.hasPrefix("("), let end = tuple.firstIndex(of: ")") else {
      throw GraftError.badData("has a header without a shape")
    }
    let inner = tuple[tuple.index(after: tuple.startIndex)..<end]
    let shape: Shape = try inner.split(separator: ",").compactMap { part in
      var digits = part.trimmed
      if digits.isEmpty { return nil }
      // Python 2 writes an L after long integers.
      if digits.hasSuffix("L") { digits.removeLast() }
      guard let extent = Int(digits), extent >= 0 else {
        throw GraftError.badData("has the invalid extent '\(digits)' in its shape")
      }
      return extent
    }
    guard shape.count <= 64 else { throw GraftError.badData("has \(shape.count) dimensions") }
    return shape
  }

  private static func value(_ key: String, in text: String) throws -> Substring {
    guard let found = text.firstRange(of: "'\(key)':") else {
      throw GraftError.badData("has a header without '\(key)'")
    }
    return text[found.upperBound...].drop { $0 == " " }
  }

  static func quoted(_ key: String, in text: String) throws -> String {
    let parts = try value(key, in: text).split(
      separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[0].isEmpty else {
      throw GraftError.unsupported("has structured elements, which are not supported")
    }
    return String(parts[1])
  }

  /// The tensor in row-major order and native byte order; bools become 0 or 1.
  func native(_ stored: Tensor) throws -> Tensor {
    var tensor = stored
    let width = elementType.isComplex ? elementType.byteWidth / 2 : elementType.byteWidth
    if isBigEndian, width > 1 {
      let swapped = try tensor.copied()
      swapped.withUnsafeMutableBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: width) {
          bytes[start..<start + width].reverse()
        }
      }
      tensor = swapped
    }
    if elementType == .bool {
      let normalized = try tensor.copied()
      normalized.withUnsafeMutableBytes { bytes in
        for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
      }
      tensor = normalized
    }
    return isFortranOrder && shape.count > 1 ? try rowMajor(tensor) : tensor
  }

  /// Converts column-major order, which is row-major order of the reversed shape.
  private func rowMajor(_ stored: Tensor) throws -> Tensor {
    let result = try Tensor(zeros: elementType, shape: shape)
    let width = elementType.byteWidth
    var strides: [Int] = []
    var step = 1
    for extent in shape {
      strides.append(step)
      step *= extent
    }
    result.withUnsafeMutableBytes { target in
      stored.withUnsafeBytes { source in
        var index = [Int](repeating: 0, count: shape.count)
        for position in 0..<result.elementCount {
          let offset = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
          let bytes = UnsafeRawBufferPointer(
            rebasing: source[offset * width..<(offset + 1) * width])
          UnsafeMutableRawBufferPointer(
            rebasing: target[position * width..<(position + 1) * width]
          ).copyMemory(from: bytes)
          for axis in shape.indices.reversed() {
            index[axis] += 1
            if index[axis] < shape[axis] { break }
            index[axis] = 0
          }
        }
      }
    }
    return result
  }
}
