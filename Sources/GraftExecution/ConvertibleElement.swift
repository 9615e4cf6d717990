import GraftTensor

/// An element that converts through `Double` or the bits of an `Int64`.
protocol ConvertibleElement: TensorElement {
  static var kind: ConversionKind { get }
  var real: Double { get }
  /// The value of an integer; for `UInt64` its bits.
  var integer: Int64 { get }
  init(real: Double)
  init(integer: Int64)
  init(unsigned: UInt64)
}

/// The property through which an element is converted.
enum ConversionKind {
  case real
  case integer
  /// Like integer, but the bits of a `UInt64`.
  case unsigned
}

extension ConvertibleElement where Self: FixedWidthInteger {
  static var kind: ConversionKind { Self.self == UInt64.self ? .unsigned : .integer }
  @inline(__always) var real: Double { Double(self) }
  @inline(__always) var integer: Int64 { Int64(truncatingIfNeeded: self) }
  @inline(__always) init(integer: Int64) { self.init(truncatingIfNeeded: integer) }
  @inline(__always) init(unsigned: UInt64) { self.init(truncatingIfNeeded: unsigned) }

  /// Truncates. An out-of-range result becomes the smallest 32- or 64-bit number, as in x86
  /// conversions, and its low bits are kept; NumPy and onnxruntime do the same.
  @inline(__always) init(real: Double) {
    if Self.bitWidth < 32 || Self.self == Int32.self {
      let isInRange = real > -2_147_483_649 && real < 2_147_483_648
      self.init(truncatingIfNeeded: isInRange ? Int32(real) : .min)
    } else if real >= -0x1p63 && real < 0x1p63 {
      self.init(truncatingIfNeeded: Int64(real))
    } else if Self.self == UInt64.self && real >= 0x1p63 && real < 0x1p64 {
      self.init(truncatingIfNeeded: UInt64(real))
    } else {
      self.init(truncatingIfNeeded: Int64.min)
    }
  }
}

extension ConvertibleElement where Self: BinaryFloatingPoint {
  static var kind: ConversionKind { .real }
  @inline(__always) var real: Double { Double(self) }
  @inline(__always) var integer: Int64 { Int64(real: Double(self)) }
  @inline(__always) init(real: Double) { self = Self(real) }
  @inline(__always) init(integer: Int64) { self = Self(integer) }
  @inline(__always) init(unsigned: UInt64) { self = Self(unsigned) }
}

extension Float: ConvertibleElement {}
extension Double: ConvertibleElement {}
extension Int8: ConvertibleElement {}
extension UInt8: ConvertibleElement {}
extension Int16: ConvertibleElement {}
extension UInt16: ConvertibleElement {}
extension Int32: ConvertibleElement {}
extension UInt32: ConvertibleElement {}
extension Int64: ConvertibleElement {}
extension UInt64: ConvertibleElement {}

/// Uses bit arithmetic, which is right even when this thread flushes subnormal numbers: Swift's own
/// conversions go through subnormal floats.
extension Float16: ConvertibleElement {
  static var kind: ConversionKind { .real }

  var real: Double {
    let magnitude = UInt64(bitPattern & 0x7fff)
    let sign = UInt64(bitPattern >> 15) << 63
    let bits =
      switch magnitude {
      case ..<0x400: (Double(magnitude) * 0x1p-24).bitPattern
      case 0x7c00...: magnitude << 42 | 0x7ff0 << 48
      default: magnitude << 42 + 0x3f0 << 52
      }
    return Double(bitPattern: bits | sign)
  }

  init(real: Double) {
    let magnitude = real.bitPattern & ~(1 << 63)
    let sign = UInt16(real.bitPattern >> 63) << 15
    let bits: UInt16
    if magnitude > Double.infinity.bitPattern {
      bits = 0x7e00 | UInt16(magnitude >> 42 & 0x3ff)
    } else if magnitude >= Double(65520).bitPattern {
      bits = 0x7c00
    } else if magnitude < Double(0x1p-14).bitPattern {
      // In the sum the last bit has the weight 2^-24, as in a subnormal half.
      bits = UInt16((real.magnitude + 0x1p28).bitPattern - Double(0x1p28).bitPattern)
    } else {
      let rounded = magnitude + 0x1ff_ffff_ffff + (magnitude >> 42 & 1)
      bits = UInt16(rounded >> 42 - 0x3f0 << 10)
    }
    self.init(bitPattern: sign | bits)
  }

  var integer: Int64 { Int64(real: real) }
  init(integer: Int64) { self.init(real: Double(integer)) }
  init(unsigned: UInt64) { self.init(real: Double(unsigned)) }
}

extension BFloat16: ConvertibleElement {
  static var kind: ConversionKind { .real }
  @inline(__always) var real: Double { Double(float) }
  @inline(__always) var integer: Int64 { Int64(real: real) }
  @inline(__always) init(real: Double) { self.init(rounding: real) }
  @inline(__always) init(integer: Int64) { self.init(rounding: Double(integer)) }
  @inline(__always) init(unsigned: UInt64) { self.init(rounding: Double(unsigned)) }
}
