/// An element that converts through `Double` or the bits of an `Int64`.
protocol ConvertibleElement: TensorElement {
  static var kind: ConversionKind { get }
  var real: Double { get }
  /// The value of an integer, its low 64 bits for `UInt64`.
  var integer: Int64 { get }
  init(real: Double)
  init(integer: Int64)
  init(unsigned: UInt64)
}

/// Through which of its properties an element is converted.
enum ConversionKind {
  case real
  case integer
  /// As integer, but the bits are those of a `UInt64`.
  case unsigned
}

extension ConvertibleElement where Self: FixedWidthInteger {
  static var kind: ConversionKind { Self.self == UInt64.self ? .unsigned : .integer }
  @inline(__always) var real: Double { Double(self) }
  @inline(__always) var integer: Int64 { Int64(truncatingIfNeeded: self) }
  @inline(__always) init(integer: Int64) { self.init(truncatingIfNeeded: integer) }
  @inline(__always) init(unsigned: UInt64) { self.init(truncatingIfNeeded: unsigned) }

  /// Truncates. What an x86 processor's conversion to 32 or 64 bits cannot express becomes its
  /// smallest number, of which the low bits are kept; NumPy and onnxruntime do the same.
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
  static var kind: ConversionKind { .real }
  @inline(__always) var real: Double { Double(float) }
  @inline(__always) var integer: Int64 { Int64(real: real) }
  @inline(__always) init(real: Double) { self.init(rounding: real) }
  @inline(__always) init(integer: Int64) { self.init(rounding: Double(integer)) }
  @inline(__always) init(unsigned: UInt64) { self.init(rounding: Double(unsigned)) }
}
