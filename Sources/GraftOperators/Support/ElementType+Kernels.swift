import CGraftKernels
import GraftFiles
import GraftTensor

extension ElementType {
  /// This type's number in the C kernels; `nil` without kernels for it.
  var kernelElement: Int32? {
    switch self {
    case .float: Int32(GRAFT_ELEMENT_F32)
    case .double: Int32(GRAFT_ELEMENT_F64)
    case .int32, .uint32: Int32(GRAFT_ELEMENT_I32)
    case .int64, .uint64: Int32(GRAFT_ELEMENT_I64)
    default: nil
    }
  }

  /// - Throws: `GraftError` if there are no C kernels for this type
  func requireKernelElement() throws -> Int32 {
    guard let element = kernelElement else {
      throw GraftError.unsupported("no kernel for element type \(self)")
    }
    return element
  }
}
