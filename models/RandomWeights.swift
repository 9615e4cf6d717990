import GraftTensor

/// Initial weights of networks that are trained from scratch.
package enum RandomWeights {
  /// He-normal weights with the standard deviation √(2 / inputs per output).
  ///
  /// Source: He et al., "Delving Deep into Rectifiers" (2015)
  package static func heNormal(
    _ shape: Shape, fanIn: Int, using generator: inout some RandomNumberGenerator
  ) throws -> Tensor {
    let deviation = (2 / Double(fanIn)).squareRoot()
    let values = (0..<shape.elementCount).map { _ in
      // The sum of twelve uniform numbers (Irwin–Hall) is nearly normal and needs no logarithm.
      let sum = (0..<12).reduce(0.0) { sum, _ in sum + Double(generator.next() >> 11) * 0x1p-53 }
      return Float((sum - 6) * deviation)
    }
    return try Tensor(values, shape: shape)
  }
}
