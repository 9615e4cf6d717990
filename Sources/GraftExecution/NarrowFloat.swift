import GraftTensor
import Synchronization

/// A floating-point format of at most eight bits.
///
/// Specification: <https://onnx.ai/onnx/technical/float8.html>,
/// <https://onnx.ai/onnx/technical/float4.html>
package struct NarrowFloat: Sendable {
  /// How conversion to float8 treats out-of-range values.
  package struct Rounding: Sendable {
    /// Whether larger values become the largest number, including infinity.
    package var saturates: Bool
    package var scale: ScaleRounding

    package init(saturates: Bool = true, scale: ScaleRounding = .up) {
      self.saturates = saturates
      self.scale = scale
    }

    package static let saturating = Rounding()
  }

  /// How float8e8m0, which only has powers of two, rounds between them.
  package enum ScaleRounding: String, Sendable, CaseIterable {
    case up
    case down
    case nearest
  }

  private enum Specials {
    /// The topmost exponent has infinity and NaN, as in IEEE 754.
    case infinityAndNaN
    /// Only the topmost code of each sign is NaN; there is no infinity.
    case topIsNaN
    /// NaN has the code of negative zero; there is no infinity.
    case negativeZeroIsNaN
    /// Neither infinity nor NaN.
    case none
  }

  private let type: ElementType
  private let exponentBits: Int
  private let fractionBits: Int
  private let bias: Int
  private let specials: Specials

  /// - Returns: `nil` if `type` is not a floating-point type of at most eight bits
  package init?(_ type: ElementType) {
    self.type = type
    switch type {
    case .float8e4m3fn: (exponentBits, fractionBits, bias, specials) = (4, 3, 7, .topIsNaN)
    case .float8e4m3fnuz:
      (exponentBits, fractionBits, bias, specials) = (4, 3, 8, .negativeZeroIsNaN)
    case .float8e5m2: (exponentBits, fractionBits, bias, specials) = (5, 2, 15, .infinityAndNaN)
    case .float8e5m2fnuz:
      (exponentBits, fractionBits, bias, specials) = (5, 2, 16, .negativeZeroIsNaN)
    case .float4e2m1: (exponentBits, fractionBits, bias, specials) = (2, 1, 1, .none)
    case .float8e8m0: (exponentBits, fractionBits, bias, specials) = (8, 0, 127, .topIsNaN)
    default: return nil
    }
  }

  private var signBit: UInt8 { type == .float8e8m0 ? 0 : 1 << UInt8(exponentBits + fractionBits) }
  private var magnitudeMask: UInt8 { UInt8((1 << (exponentBits + fractionBits)) - 1) }
  /// The code of positive infinity, if there is one.
  private var infinity: UInt8 { magnitudeMask << UInt8(fractionBits) & magnitudeMask }

  /// The code of the largest number.
  private var largest: UInt8 {
    switch specials {
    case .infinityAndNaN: infinity - 1
    case .topIsNaN: magnitudeMask - 1
    case .negativeZeroIsNaN, .none: magnitudeMask
    }
  }

  /// - Returns: negative zero for the format without NaN
  private func nan(sign: UInt8) -> UInt8 {
    switch specials {
    case .infinityAndNaN: sign | infinity | 1 << UInt8(fractionBits - 1)
    case .topIsNaN: sign | magnitudeMask
    case .negativeZeroIsNaN, .none: signBit
    }
  }
}

// MARK: - Decoding

extension NarrowFloat {
  package func isNaN(_ code: UInt8) -> Bool {
    switch specials {
    case .infinityAndNaN: code & magnitudeMask > infinity
    case .topIsNaN: code & magnitudeMask == magnitudeMask
    case .negativeZeroIsNaN: code == signBit
    case .none: false
    }
  }

  package func isInfinity(_ code: UInt8) -> Bool {
    specials == .infinityAndNaN && code & magnitudeMask == infinity
  }

  package func decode(_ code: UInt8) -> Double {
    if isNaN(code) { return .nan }
    let sign = code & signBit == 0 ? 1.0 : -1.0
    if isInfinity(code) { return sign * .infinity }
    let field = Int(code & magnitudeMask) >> fractionBits
    let fraction = Int(code) & ((1 << fractionBits) - 1)
    let isDenormal = field == 0 && fractionBits > 0
    let significand = Double(isDenormal ? fraction : fraction + 1 << fractionBits)
    let exponent = (isDenormal ? 1 : field) - bias - fractionBits
    return sign * Double(sign: .plus, exponent: exponent, significand: significand)
  }

  /// The value of each code, as the bits of a float.
  var floatBits: [UInt32] {
    NarrowFloat.tables.withLock { tables in
      if let table = tables[type] { return table }
      let table = (0...UInt8.max).map { code -> UInt32 in
        // Arithmetic could flush this denormal, 2^-127.
        if type == .float8e8m0 && code == 0 { return 0x0040_0000 }
        return Float(decode(code)).bitPattern
      }
      tables[type] = table
      return table
    }
  }

  private static let tables = Mutex<[ElementType: [UInt32]]>([:])
}

// MARK: - Encoding

extension NarrowFloat {
  /// The nearest code, ties to even; the tables of Cast define out-of-range values.
  package func encode(_ value: Double, rounding: Rounding) -> UInt8 {
    if type == .float8e8m0 { return encodeScale(value, rounding) }
    let sign = value.sign == .minus ? signBit : 0
    if value.isNaN { return nan(sign: sign) }
    let magnitude = value.isInfinite ? UInt8?.none : encodeMagnitude(value.magnitude)
    guard let magnitude else {
      if rounding.saturates || specials == .none { return sign | largest }
      return specials == .infinityAndNaN ? sign | infinity : nan(sign: sign)
    }
    return magnitude == 0 && specials == .negativeZeroIsNaN ? 0 : sign | magnitude
  }

  /// - Returns: `nil` for numbers that round to more than the largest
  private func encodeMagnitude(_ value: Double) -> UInt8? {
    guard value > 0 else { return 0 }
    // The weight of the fraction's last bit, at least that of denormal numbers.
    let lastBit = max(Int(value.exponent), 1 - bias) - fractionBits
    let scaled = (value * Double(sign: .plus, exponent: -lastBit, significand: 1))
      .rounded(.toNearestOrEven)
    // Rounding up to the next power of two carries into the exponent.
    let code = scaled + Double((lastBit + fractionBits + bias - 1) << fractionBits)
    return code <= Double(largest) ? UInt8(code) : nil
  }

  /// The sign is dropped: the format has none, and the specification leaves negative numbers open.
  private func encodeScale(_ value: Double, _ rounding: Rounding) -> UInt8 {
    let nan = UInt8.max
    let value = value.magnitude
    if value.isNaN { return nan }
    let overflow = rounding.saturates ? largest : nan
    let underflow = rounding.saturates ? 0 : nan
    if value.isInfinite { return overflow }
    guard value >= 0x1p-127 else { return underflow }
    let fraction = value.significand
    let roundsUp =
      switch rounding.scale {
      case .up: fraction > 1
      case .down: false
      case .nearest: fraction >= 1.5
      }
    let code = Int(value.exponent) + bias + (roundsUp ? 1 : 0)
    return code <= Int(largest) ? UInt8(code) : overflow
  }
}
