import GraftTensor

extension ElementType {
  /// The bytes of `elementCount` elements in a file, where elements smaller than a byte share
  /// bytes.
  func packedByteCount(_ elementCount: Int) -> Int {
    isSubByte ? (elementCount * bitWidth + 7) / 8 : elementCount * byteWidth
  }

  /// The field of `TensorProto` for elements of this type, if not `raw_data`.
  var typedField: TensorPayload.Field? {
    switch self {
    case .float, .complex64: .float
    case .double, .complex128: .double
    case .int64: .int64
    case .uint32, .uint64: .uint64
    case .string: nil
    default: .int32
    }
  }

  /// The numbers in the typed field for `elementCount` elements: two for a complex number, one for
  /// several elements smaller than a byte.
  func numberCount(_ elementCount: Int) -> Int {
    isComplex ? elementCount * 2 : isSubByte ? packedByteCount(elementCount) : elementCount
  }

  /// Unpacks elements smaller than a byte to one byte each, starting from the lowest bits.
  ///
  /// - Parameters:
  ///   - packed: at least ``packedByteCount(_:)`` bytes
  ///   - elements: one byte per element; signed integers come out sign-extended
  func unpack(_ packed: UnsafeRawBufferPointer, into elements: UnsafeMutableRawBufferPointer) {
    let width = bitWidth
    let perByte = 8 / width
    let mask = UInt8((1 << width) - 1)
    let signBit = isSignedInteger ? UInt8(1 << (width - 1)) : 0
    for index in elements.indices {
      let bits = (packed[index / perByte] >> UInt8(index % perByte * width)) & mask
      // Flipping and subtracting the sign bit extends the sign.
      elements[index] = (bits ^ signBit) &- signBit
    }
  }

  /// The inverse of ``unpack(_:into:)``.
  func pack(_ elements: UnsafeRawBufferPointer) -> [UInt8] {
    let width = bitWidth
    let perByte = 8 / width
    let mask = UInt8((1 << width) - 1)
    var packed = [UInt8](repeating: 0, count: packedByteCount(elements.count))
    for index in elements.indices {
      packed[index / perByte] |= (elements[index] & mask) << UInt8(index % perByte * width)
    }
    return packed
  }
}
