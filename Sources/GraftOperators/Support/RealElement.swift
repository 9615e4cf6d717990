import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The types in which kernels compute real numbers: `Float` through C kernels, and `Double`.
protocol RealElement: TensorElement, BinaryFloatingPoint {
  static func exponential(_ x: Self) -> Self
  static func logarithm(_ x: Self) -> Self
  static func power(_ base: Self, _ exponent: Self) -> Self

  /// The sum of `count` elements.
  static func sum(
    _ x: UnsafePointer<Self>, count: Int, _ instructionSet: InstructionSet
  ) -> Double

  /// The sum of (x - mean)² over `count` elements.
  static func sumOfSquaredDeviations(
    _ x: UnsafePointer<Self>, count: Int, mean: Self, _ instructionSet: InstructionSet
  ) -> Double

  /// y = (x - mean) · scale + shift. `y` may be `x`.
  static func normalize(
    _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, count: Int, mean: Self, scale: Self,
    shift: Self, _ instructionSet: InstructionSet)

  /// y[i] = (x[i] - mean) · scale · scales[i] + shifts[i]. `y` may be `x`.
  static func normalize(
    _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, count: Int, mean: Self, scale: Self,
    scales: UnsafePointer<Self>, shifts: UnsafePointer<Self>?, _ instructionSet: InstructionSet)

  /// Softmax, or its logarithm, of `columnCount` columns with `length` elements, `stride` apart.
  static func softmaxColumns(
    _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, columnCount: Int, length: Int,
    stride: Int, isLogarithm: Bool, _ instructionSet: InstructionSet)

  /// Softmax, or its logarithm, of `rowCount` rows of `length` contiguous elements.
  static func softmaxRows(
    _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, rowCount: Int, length: Int,
    isLogarithm: Bool, _ instructionSet: InstructionSet)
}

extension Float: RealElement {
  static func exponential(_ x: Float) -> Float { exp(x) }
  static func logarithm(_ x: Float) -> Float { log(x) }
  static func power(_ base: Float, _ exponent: Float) -> Float { pow(base, exponent) }

  static func sum(
    _ x: UnsafePointer<Float>, count: Int, _ instructionSet: InstructionSet
  ) -> Double {
    instructionSet.kernels.pointee.normalization.pointee.sum(x, Int64(count))
  }

  static func sumOfSquaredDeviations(
    _ x: UnsafePointer<Float>, count: Int, mean: Float, _ instructionSet: InstructionSet
  ) -> Double {
    instructionSet.kernels.pointee.normalization.pointee.sum_squared_deviations(
      x, Int64(count), mean)
  }

  static func normalize(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, mean: Float,
    scale: Float, shift: Float, _ instructionSet: InstructionSet
  ) {
    instructionSet.kernels.pointee.normalization.pointee.normalize(
      x, y, Int64(count), mean, scale, shift)
  }

  static func normalize(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, mean: Float,
    scale: Float, scales: UnsafePointer<Float>, shifts: UnsafePointer<Float>?,
    _ instructionSet: InstructionSet
  ) {
    instructionSet.kernels.pointee.normalization.pointee.normalize_each(
      x, y, Int64(count), mean, scale, scales, shifts)
  }

  static func softmaxColumns(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, columnCount: Int, length: Int,
    stride: Int, isLogarithm: Bool, _ instructionSet: InstructionSet
  ) {
    instructionSet.kernels.pointee.softmax.pointee.columns(
      x, y, Int64(columnCount), Int64(length), Int64(stride),
      isLogarithm ? 1 : 0)
  }

  static func softmaxRows(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rowCount: Int, length: Int,
    isLogarithm: Bool, _ instructionSet: InstructionSet
  ) {
    instructionSet.kernels.pointee.softmax.pointee.rows(
      x, y, Int64(rowCount), Int64(length), isLogarithm ? 1 : 0)
  }
}

extension Double: RealElement {
  static func exponential(_ x: Double) -> Double { exp(x) }
  static func logarithm(_ x: Double) -> Double { log(x) }
  static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

  static func sum(
    _ x: UnsafePointer<Double>, count: Int, _ instructionSet: InstructionSet
  ) -> Double {
    var sum = 0.0
    for i in 0..<count { sum += x[i] }
    return sum
  }

  static func sumOfSquaredDeviations(
    _ x: UnsafePointer<Double>, count: Int, mean: Double, _ instructionSet: InstructionSet
  ) -> Double {
    var sum = 0.0
    for i in 0..<count { sum += (x[i] - mean) * (x[i] - mean) }
    return sum
  }

  static func normalize(
    _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, count: Int, mean: Double,
    scale: Double, shift: Double, _ instructionSet: InstructionSet
  ) {
    for i in 0..<count { y[i] = (x[i] - mean) * scale + shift }
  }

  static func normalize(
    _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, count: Int, mean: Double,
    scale: Double, scales: UnsafePointer<Double>, shifts: UnsafePointer<Double>?,
    _ instructionSet: InstructionSet
  ) {
    for i in 0..<count { y[i] = (x[i] - mean) * scale * scales[i] + (shifts?[i] ?? 0) }
  }

  static func softmaxColumns(
    _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, columnCount: Int, length: Int,
    stride: Int, isLogarithm: Bool, _ instructionSet: InstructionSet
  ) {
    for column in 0..<columnCount {
      let x = x + column
      let y = y + column
      var largest = -Double.infinity
      for i in 0..<length { largest = max(largest, x[i * stride]) }
      var sum = 0.0
      for i in 0..<length { sum += exp(x[i * stride] - largest) }
      let logarithm = log(sum)
      for i in 0..<length {
        let shifted = x[i * stride] - largest
        y[i * stride] = isLogarithm ? shifted - logarithm : exp(shifted) / sum
      }
    }
  }

  static func softmaxRows(
    _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, rowCount: Int, length: Int,
    isLogarithm: Bool, _ instructionSet: InstructionSet
  ) {
    for row in 0..<rowCount {
      softmaxColumns(
        x + row * length, y + row * length, columnCount: 1, length: length, stride: 1,
        isLogarithm: isLogarithm, instructionSet)
    }
  }
}
