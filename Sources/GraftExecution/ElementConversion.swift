/// Converts elements between numeric types, for kernels that compute in another type than they store.
///
/// Floating point to integer truncates; integer to a narrower integer keeps the low bits; to bool is `!= 0`.
/// Saturating float8 conversion belongs to Cast.
package enum ElementConversion {
  /// Converts `count` elements. Source and destination must not overlap.
  package static func convert(
    _ source: UnsafeRawPointer, _ sourceType: ElementType,
    to destination: UnsafeMutableRawPointer, _ destinationType: ElementType, count: Int
  ) throws {
    if sourceType == destinationType {
      destination.copyMemory(from: source, byteCount: count * sourceType.byteWidth)
      return
    }
    switch sourceType {
    case .float: try from(source, Float.self, destination, destinationType, count)
    case .double: try from(source, Double.self, destination, destinationType, count)
    case .float16: try from(source, Float16.self, destination, destinationType, count)
    case .bfloat16: try from(source, BFloat16.self, destination, destinationType, count)
    case .int8, .int4, .int2: try from(source, Int8.self, destination, destinationType, count)
    case .uint8, .bool, .uint4, .uint2:
      try from(source, UInt8.self, destination, destinationType, count)
    case .int16: try from(source, Int16.self, destination, destinationType, count)
    case .uint16: try from(source, UInt16.self, destination, destinationType, count)
    case .int32: try from(source, Int32.self, destination, destinationType, count)
    case .uint32: try from(source, UInt32.self, destination, destinationType, count)
    case .int64: try from(source, Int64.self, destination, destinationType, count)
    case .uint64: try from(source, UInt64.self, destination, destinationType, count)
    default:
      throw GraftError.unsupported("conversion from \(sourceType) to \(destinationType)")
    }
  }

  private static func from<Source: ConvertibleElement>(
    _ source: UnsafeRawPointer, _: Source.Type, _ destination: UnsafeMutableRawPointer,
    _ destinationType: ElementType, _ count: Int
  ) throws {
    let source = source.assumingMemoryBound(to: Source.self)
    func to<Destination: ConvertibleElement>(_: Destination.Type) {
      let destination = destination.assumingMemoryBound(to: Destination.self)
      if Source.isInteger && Destination.isInteger {
        for index in 0..<count { destination[index] = Destination(wrapping: source[index].integer) }
      } else {
        for index in 0..<count { destination[index] = Destination(real: source[index].real) }
      }
    }
    switch destinationType {
    case .float: to(Float.self)
    case .double: to(Double.self)
    case .float16: to(Float16.self)
    case .bfloat16: to(BFloat16.self)
    case .int8: to(Int8.self)
    case .uint8: to(UInt8.self)
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
      throw GraftError.unsupported("conversion from \(Source.self) to \(destinationType)")
    }
  }
}

/// An element that converts through `Double` or `Int64` bits.
private protocol ConvertibleElement {
  static var isInteger: Bool { get }
  var real: Double { get }
  var integer: Int64 { get }
  init(real: Double)
  init(wrapping integer: Int64)
}

extension ConvertibleElement where Self: FixedWidthInteger {
  static var isInteger: Bool { true }
  @inline(__always) var real: Double { Double(self) }
  @inline(__always) var integer: Int64 { Int64(truncatingIfNeeded: self) }
  @inline(__always) init(wrapping integer: Int64) { self.init(truncatingIfNeeded: integer) }
  /// Truncates; what does not fit goes to the nearest bound, and NaN to 0.
  @inline(__always) init(real: Double) {
    if real.isNaN {
      self = 0
    } else if real <= Double(Self.min) {
      self = .min
    } else if real >= Double(Self.max) {
      self = .max
    } else {
      self = Self(real)
    }
  }
}

extension ConvertibleElement where Self: BinaryFloatingPoint {
  static var isInteger: Bool { false }
  @inline(__always) var real: Double { Double(self) }
  @inline(__always) var integer: Int64 { Int64(real: Double(self)) }
  @inline(__always) init(wrapping integer: Int64) { self = Self(integer) }
  @inline(__always) init(real: Double) { self = Self(real) }
}

extension Float: ConvertibleElement {}
extension Double: ConvertibleElement {}
extension Float16: ConvertibleElement {}
extension Int8: ConvertibleElement {}
extension UInt8: ConvertibleElement {}
extension Int16: ConvertibleElement {}
extension UInt16: ConvertibleElement {}
extension Int32: ConvertibleElement {}
extension UInt32: ConvertibleElement {}
extension Int64: ConvertibleElement {}
extension UInt64: ConvertibleElement {}

extension BFloat16: ConvertibleElement {
  static var isInteger: Bool { false }
  @inline(__always) var real: Double { Double(float) }
  @inline(__always) var integer: Int64 { Int64(real: real) }
  @inline(__always) init(real: Double) { self.init(rounding: real) }
  @inline(__always) init(wrapping integer: Int64) { self.init(Float(integer)) }
}
