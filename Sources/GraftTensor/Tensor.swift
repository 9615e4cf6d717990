import GraftFiles

/// A dense row-major tensor: an element type, a shape and a place in memory.
///
/// Copies share memory. Its creator fills a tensor before passing it on; then it is read-only.
package struct Tensor: Sendable {
  package let elementType: ElementType
  package let shape: Shape
  package let storage: Storage
  /// The offset of the first element in `storage`; possibly unaligned.
  package let byteOffset: Int
  /// The elements of a tensor of strings; empty for all other types.
  package let strings: [String]

  /// A view into `storage`.
  ///
  /// - Throws: `GraftError` if the elements exceed `storage`, and for strings
  package init(
    elementType: ElementType, shape: Shape, storage: Storage, byteOffset: Int = 0
  ) throws {
    guard elementType != .string else {
      throw GraftError(.software, "a tensor of strings has no bytes")
    }
    let byteCount = try Tensor.byteCount(elementType, shape)
    guard byteOffset >= 0, byteOffset <= storage.byteCount,
      byteCount <= storage.byteCount - byteOffset
    else {
      throw GraftError.badData(
        "a tensor of \(byteCount) bytes at \(byteOffset) exceeds its \(storage.byteCount) bytes"
      )
    }
    self.elementType = elementType
    self.shape = shape
    self.storage = storage
    self.byteOffset = byteOffset
    self.strings = []
  }

  /// A tensor of zeros (false, 0.0) in new heap memory.
  package init(zeros elementType: ElementType, shape: Shape) throws {
    if elementType == .string {
      let count = try shape.checkedElementCount()
      guard try Tensor.memoryByteCount(.string, shape) <= Storage.byteLimit else {
        throw GraftError(.operatingSystem, "cannot allocate \(count) strings")
      }
      try self.init(strings: [String](repeating: "", count: count), shape: shape)
      return
    }
    let storage = try Storage.heap(byteCount: Tensor.byteCount(elementType, shape))
    try self.init(elementType: elementType, shape: shape, storage: storage)
  }

  package init(strings: [String], shape: Shape) throws {
    guard try shape.checkedElementCount() == strings.count else {
      throw GraftError.badData("\(strings.count) strings do not fill the shape \(shape)")
    }
    self.elementType = .string
    self.shape = shape
    self.storage = try Storage.heap(byteCount: 0)
    self.byteOffset = 0
    self.strings = strings
  }

  /// - Throws: `GraftError` if the size exceeds an `Int`
  package static func byteCount(_ elementType: ElementType, _ shape: Shape) throws -> Int {
    let (bytes, overflow) = try shape.checkedElementCount()
      .multipliedReportingOverflow(by: elementType.byteWidth)
    guard !overflow else { throw GraftError.badData("shape \(shape) has too many elements") }
    return bytes
  }

  /// The memory that a tensor may need: like ``byteCount(_:_:)``, plus the fixed size of each
  /// string. The zero extents of empty tensors are ignored, since kernels have tables for the
  /// others.
  package static func memoryByteCount(_ elementType: ElementType, _ shape: Shape) throws -> Int {
    _ = try shape.checkedElementCount()
    let width = elementType == .string ? MemoryLayout<String>.stride : elementType.byteWidth
    return shape.lazy.filter { $0 > 0 }.reduce(width, *)
  }

  package var rank: Int { shape.count }
  package var elementCount: Int { shape.elementCount }
  package var byteCount: Int { elementCount * elementType.byteWidth }
  package var baseAddress: UnsafeMutableRawPointer { storage.baseAddress + byteOffset }

  /// Whether the first element's address is a multiple of its width.
  package var isAligned: Bool {
    let width = max(1, min(elementType.byteWidth, 8))
    return UInt(bitPattern: baseAddress) % UInt(width) == 0
  }

  /// The bytes in memory.
  package func withUnsafeBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeRawBufferPointer(start: baseAddress, count: byteCount))
  }

  /// The writable bytes; only for the creator of this tensor.
  package func withUnsafeMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    precondition(storage.isWritable, "the tensor's memory is read only")
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeMutableRawBufferPointer(start: baseAddress, count: byteCount))
  }

  /// The same elements with another shape.
  ///
  /// - Throws: `GraftError` if the number of elements differs
  package func reshaped(_ newShape: Shape) throws -> Tensor {
    guard try newShape.checkedElementCount() == elementCount else {
      throw GraftError.badData("\(shape) cannot be reshaped to \(newShape)")
    }
    if elementType == .string { return try Tensor(strings: strings, shape: newShape) }
    return try Tensor(
      elementType: elementType, shape: newShape, storage: storage, byteOffset: byteOffset)
  }

  /// Releases memory that a mapped file can restore, for elements not needed soon.
  package func releasePages() { storage.releasePages(byteOffset..<byteOffset + byteCount) }

  /// A copy in new, aligned heap memory.
  package func copied() throws -> Tensor {
    if elementType == .string { return self }
    let copy = try Tensor(zeros: elementType, shape: shape)
    withUnsafeBytes { source in
      copy.withUnsafeMutableBytes { $0.copyMemory(from: source) }
    }
    return copy
  }
}
