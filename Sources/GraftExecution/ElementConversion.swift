import CGraftKernels
import GraftFiles
import GraftTensor

/// Converts elements between numeric types, for Cast and for kernels that compute in another type
/// than they store.
///
/// Conversion to a narrower integer keeps the low bits; conversion to bool is `!= 0`. Floating
/// point to integer truncates. Where the specification leaves the result open (NaN, out of range),
/// it is NumPy's on x86. float4, float8 and the 2- and 4-bit integers take a byte each.
package enum ElementConversion {
  private static let kernels = InstructionSet.current.kernels.pointee.convert.pointee

  /// Converts `count` elements. Source and destination must not overlap.
  ///
  /// - Parameter rounding: the rounding to float8 types
  package static func convert(
    _ source: UnsafeRawPointer, _ sourceType: ElementType,
    to destination: UnsafeMutableRawPointer, _ destinationType: ElementType, count: Int,
    rounding: NarrowFloat.Rounding = .saturating
  ) throws {
    if sourceType == destinationType {
      destination.copyMemory(from: source, byteCount: count * sourceType.byteWidth)
      return
    }
    if convertWithVectors(source, sourceType, to: destination, destinationType, count: count) {
      return
    }
    if let format = NarrowFloat(sourceType) {
      return try decode(format, source, to: destination, destinationType, count, rounding)
    }
    func from<Source: ConvertibleElement>(_: Source.Type) throws {
      try convertEach(
        source.assumingMemoryBound(to: Source.self), to: destination, destinationType, count,
        rounding)
    }
    switch sourceType {
    case .float: try from(Float.self)
    case .double: try from(Double.self)
    case .float16: try from(Float16.self)
    case .bfloat16: try from(BFloat16.self)
    case .int8, .int4, .int2: try from(Int8.self)
    case .uint8, .bool, .uint4, .uint2: try from(UInt8.self)
    case .int16: try from(Int16.self)
    case .uint16: try from(UInt16.self)
    case .int32: try from(Int32.self)
    case .uint32: try from(UInt32.self)
    case .int64: try from(Int64.self)
    case .uint64: try from(UInt64.self)
    default:
      throw GraftError.unsupported("conversion from \(sourceType) to \(destinationType)")
    }
  }

  /// A scalar of any numeric type.
  package static func scalar(_ value: Double, as type: ElementType) throws -> Tensor {
    let tensor = try Tensor(zeros: type, shape: [])
    try withUnsafeBytes(of: value) { bytes in
      guard let source = bytes.baseAddress else { return }
      try convert(source, .double, to: tensor.baseAddress, type, count: 1)
    }
    return tensor
  }

  private static func convertWithVectors(
    _ source: UnsafeRawPointer, _ sourceType: ElementType,
    to destination: UnsafeMutableRawPointer, _ destinationType: ElementType, count: Int
  ) -> Bool {
    func halves() -> UnsafePointer<UInt16> { source.assumingMemoryBound(to: UInt16.self) }
    func floats() -> UnsafePointer<Float> { source.assumingMemoryBound(to: Float.self) }
    func toHalves() -> UnsafeMutablePointer<UInt16> {
      destination.assumingMemoryBound(to: UInt16.self)
    }
    func toFloats() -> UnsafeMutablePointer<Float> {
      destination.assumingMemoryBound(to: Float.self)
    }
    switch (sourceType, destinationType) {
    case (.float16, .float): kernels.float16_to_float(halves(), toFloats(), count)
    case (.float, .float16): kernels.float_to_float16(floats(), toHalves(), count)
    case (.bfloat16, .float): kernels.bfloat16_to_float(halves(), toFloats(), count)
    case (.float, .bfloat16): kernels.float_to_bfloat16(floats(), toHalves(), count)
    default: return false
    }
    return true
  }

  private static func convertEach<Source: ConvertibleElement>(
    _ source: UnsafePointer<Source>, to destination: UnsafeMutableRawPointer,
    _ destinationType: ElementType, _ count: Int, _ rounding: NarrowFloat.Rounding
  ) throws {
    if let format = NarrowFloat(destinationType) {
      let destination = destination.assumingMemoryBound(to: UInt8.self)
      for index in 0..<count {
        destination[index] = format.encode(source[index].real, rounding: rounding)
      }
      return
    }
    func to<Destination: ConvertibleElement>(_: Destination.Type) {
      let destination = destination.assumingMemoryBound(to: Destination.self)
      switch Source.kind {
      case .real:
        for index in 0..<count { destination[index] = Destination(real: source[index].real) }
      case .integer:
        for index in 0..<count { destination[index] = Destination(integer: source[index].integer) }
      case .unsigned:
        for index in 0..<count {
          destination[index] = Destination(unsigned: UInt64(bitPattern: source[index].integer))
        }
      }
    }
    switch destinationType {
    case .float: to(Float.self)
    case .double: to(Double.self)
    case .float16: to(Float16.self)
    case .bfloat16: to(BFloat16.self)
    case .int8, .int4, .int2:
      to(Int8.self)
      narrow(destination.assumingMemoryBound(to: Int8.self), to: destinationType, count)
    case .uint8, .uint4, .uint2:
      to(UInt8.self)
      narrow(destination.assumingMemoryBound(to: UInt8.self), to: destinationType, count)
    case .int16: to(Int16.self)
    case .uint16: to(UInt16.self)
    case .int32: to(Int32.self)
    case .uint32: to(UInt32.self)
    case .int64: to(Int64.self)
    case .uint64: to(UInt64.self)
    case .bool:
      let destination = destination.assumingMemoryBound(to: UInt8.self)
      for index in 0..<count { destination[index] = source[index].real != 0 ? 1 : 0 }
    default:
      throw GraftError.unsupported("conversion from \(Source.elementType) to \(destinationType)")
    }
  }

  /// Keeps the low bits of each byte (as many as `type` has), and extends the sign.
  private static func narrow<Byte: FixedWidthInteger>(
    _ bytes: UnsafeMutablePointer<Byte>, to type: ElementType, _ count: Int
  ) {
    let unused = 8 - type.bitWidth
    guard unused > 0 else { return }
    for index in 0..<count { bytes[index] = (bytes[index] << unused) >> unused }
  }

  private static func decode(
    _ format: NarrowFloat, _ source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer,
    _ destinationType: ElementType, _ count: Int, _ rounding: NarrowFloat.Rounding
  ) throws {
    let source = source.assumingMemoryBound(to: UInt8.self)
    if destinationType == .float {
      // Copied as bits, since a float8e8m0 value can be denormal as a float.
      let table = format.floatBits
      let destination = destination.assumingMemoryBound(to: UInt32.self)
      for index in 0..<count { destination[index] = table[Int(source[index])] }
      return
    }
    let blockCount = 512
    try withUnsafeTemporaryAllocation(of: Double.self, capacity: blockCount) { block in
      guard let reals = block.baseAddress else { return }
      for start in stride(from: 0, to: count, by: blockCount) {
        let length = min(blockCount, count - start)
        for index in 0..<length { reals[index] = format.decode(source[start + index]) }
        try convert(
          reals, .double, to: destination + start * destinationType.byteWidth, destinationType,
          count: length, rounding: rounding)
      }
    }
  }
}

extension Tensor {
  /// The elements of a floating-point tensor.
  package func doubles() throws -> [Double] {
    let source = isAligned ? self : try copied()
    let wide = try Tensor(zeros: .double, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, elementType, to: wide.baseAddress, .double, count: elementCount)
    return try wide.elements()
  }

  package init(doubles: [Double], as elementType: ElementType, shape: Shape) throws {
    let wide = try Tensor(doubles, shape: shape)
    try self.init(zeros: elementType, shape: shape)
    try ElementConversion.convert(
      wide.baseAddress, .double, to: baseAddress, elementType, count: elementCount)
  }
}
