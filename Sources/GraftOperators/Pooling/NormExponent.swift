import GraftFiles
import GraftGraph

/// The exponent `p` of LpPool and GlobalLpPool.
extension AttributeReader {
  /// - Throws: `GraftError` if `p` is not positive.
  func normExponent() throws -> Int {
    let exponent = try int("p", default: 2)
    guard exponent > 0 else {
      throw GraftError.badData("attribute 'p' is \(exponent); expected at least 1")
    }
    return exponent
  }
}

extension Node {
  /// Opset 1 had a float for `p`.
  mutating func makeExponentInteger() throws {
    guard let value = try AttributeReader(attributes).float("p") else { return }
    guard let exponent = Int(exactly: value) else {
      throw GraftError.unsupported("attribute 'p' is \(value); it must be an integer")
    }
    attributes["p"] = .int(exponent)
  }

  /// The inverse of ``makeExponentInteger()``.
  mutating func makeExponentFloat() throws {
    guard let exponent = try AttributeReader(attributes).int("p") else { return }
    attributes["p"] = .float(Float(exponent))
  }
}

extension RealElement {
  /// |self|^p
  @inline(__always) func magnitudePower(_ exponent: Int) -> Self {
    switch exponent {
    case 1: magnitude
    case 2: self * self
    default: Self.power(magnitude, Self(exponent))
    }
  }

  /// The p-th root of a non-negative number.
  @inline(__always) func magnitudeRoot(_ exponent: Int) -> Self {
    switch exponent {
    case 1: self
    case 2: squareRoot()
    default: Self.power(self, 1 / Self(exponent))
    }
  }
}

extension GradientBuilder {
  /// sign(x) |x|^(p-1), the gradient of |x|^p / p
  mutating func signedPower(_ x: ValueID, exponent: Int) throws -> ValueID {
    switch exponent {
    case 1: return add("Sign", [x])
    case 2: return x
    default:
      let power = add("Pow", [add("Abs", [x]), try addScalar(Double(exponent - 1), like: x)])
      return add("Mul", [add("Sign", [x]), power])
    }
  }

  /// gradient · norm^(1-p); 0 where the norm is 0
  mutating func dividedByNormPower(
    _ gradient: ValueID, norm: ValueID, exponent: Int
  ) throws -> ValueID {
    guard exponent > 1 else { return gradient }
    let isZero = add("Equal", [norm, try addScalar(0, like: norm)])
    let nonzero = add("Where", [isZero, try addScalar(1, like: norm), norm])
    let power = add("Pow", [nonzero, try addScalar(Double(exponent - 1), like: norm)])
    let quotient = add("Div", [gradient, power])
    return add("Where", [isZero, try addScalar(0, like: norm), quotient])
  }
}
