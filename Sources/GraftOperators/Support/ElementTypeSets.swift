import GraftTensor

extension Set<ElementType> {
  package static let floatingPoint: Self = [.float, .double, .float16, .bfloat16]
  package static let signedIntegers: Self = [.int8, .int16, .int32, .int64]
  package static let unsignedIntegers: Self = [.uint8, .uint16, .uint32, .uint64]
  package static let integers: Self = signedIntegers.union(unsignedIntegers)
  package static let realNumbers: Self = floatingPoint.union(integers)
  /// float16 and bfloat16, which kernels compute in float.
  package static let halfPrecision: Self = [.float16, .bfloat16]
  package static let all = Set(ElementType.allCases)
}
