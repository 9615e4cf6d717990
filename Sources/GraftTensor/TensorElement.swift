import GraftFiles

/// A Swift type with the memory layout of an ``ElementType``.
package protocol TensorElement: Sendable {
  static var elementType: ElementType { get }
}

extension Float: TensorElement { package static var elementType: ElementType { .float } }
extension Double: TensorElement { package static var elementType: ElementType { .double } }
extension Float16: TensorElement { package static var elementType: ElementType { .float16 } }
extension Int8: TensorElement { package static var elementType: ElementType { .int8 } }
extension Int16: TensorElement { package static var elementType: ElementType { .int16 } }
extension Int32: TensorElement { package static var elementType: ElementType { .int32 } }
extension Int64: TensorElement { package static var elementType: ElementType { .int64 } }
extension UInt8: TensorElement { package static var elementType: ElementType { .uint8 } }
extension UInt16: TensorElement { package static var elementType: ElementType { .uint16 } }
extension UInt32: TensorElement { package static var elementType: ElementType { .uint32 } }
extension UInt64: TensorElement { package static var elementType: ElementType { .uint64 } }
extension Bool: TensorElement { package static var elementType: ElementType { .bool } }

extension Tensor {
  /// A tensor of these elements in new heap memory.
  ///
  /// - Throws: `GraftError` if their number does not match the shape
  package init<Element: TensorElement>(_ elements: [Element], shape: Shape) throws {
    guard try shape.checkedElementCount() == elements.count else {
      throw GraftError.badData("\(elements.count) elements do not fill the shape \(shape)")
    }
    try self.init(zeros: Element.elementType, shape: shape)
    withUnsafeMutableBytes { bytes in
      elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
  }

  /// A scalar.
  package init<Element: TensorElement>(scalar: Element) throws {
    try self.init([scalar], shape: [])
  }

  /// The elements as an array.
  ///
  /// - Throws: `GraftError` if the tensor has another element type
  package func elements<Element: TensorElement>(
    as type: Element.Type = Element.self
  ) throws -> [Element] {
    guard elementType == Element.elementType else {
      throw GraftError.badData(
        "expected elements of type \(Element.elementType), found \(elementType)")
    }
    return [Element](unsafeUninitializedCapacity: elementCount) { buffer, count in
      withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      count = elementCount
    }
  }

  /// The elements of any integer type (or bool) as `Int`; for shapes, axes and counts.
  ///
  /// - Throws: `GraftError` for other element types, and for a `uint64` beyond `Int.max`
  package func integers() throws -> [Int] {
    func widened<Element: TensorElement & FixedWidthInteger>(_: Element.Type) throws -> [Int] {
      try elements(as: Element.self).map { element in
        guard let integer = Int(exactly: element) else {
          throw GraftError.badData("\(element) is too large")
        }
        return integer
      }
    }
    switch elementType {
    case .int64: return try widened(Int64.self)
    case .int32: return try widened(Int32.self)
    case .int16: return try widened(Int16.self)
    case .uint16: return try widened(UInt16.self)
    case .uint32: return try widened(UInt32.self)
    case .uint64: return try widened(UInt64.self)
    case .int8, .int4, .int2, .uint8, .uint4, .uint2, .bool:
      let isSigned = elementType.isSignedInteger
      return withUnsafeBytes { bytes in
        bytes.map { isSigned ? Int(Int8(bitPattern: $0)) : Int($0) }
      }
    default:
      throw GraftError.badData("expected integers, found elements of type \(elementType)")
    }
  }
}
