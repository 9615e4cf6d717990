import GraftFiles
import GraftTensor

extension Tensor {
  /// The elements of a floating-point tensor as floats.
  package func floats() throws -> [Float] {
    if elementType == .float { return try elements() }
    let source = isAligned ? self : try copied()
    let converted = try Tensor(zeros: .float, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, elementType, to: converted.baseAddress, .float, count: elementCount)
    return try converted.elements()
  }
}
