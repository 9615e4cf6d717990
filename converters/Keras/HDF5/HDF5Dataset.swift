import GraftFiles
import GraftTensor

/// A dataset of an HDF5 file: an array of elements of one type.
package struct HDF5Dataset {
  package let type: HDF5Datatype
  /// `nil` for a dataset with a type but no elements.
  package let shape: Shape?
  private let file: HDF5File
  private let space: HDF5Dataspace
  private let layout: HDF5Layout
  private let filters: HDF5Filters
  private let fillValue: [UInt8]

  /// - Throws: `GraftError` if the object is not a dataset, or a damaged one
  init(_ header: HDF5ObjectHeader, in file: HDF5File) throws {
    self.file = file
    guard let typeMessage = try header.first(.datatype),
      let spaceMessage = try header.first(.dataspace),
      let layoutMessage = try header.first(.layout)
    else { throw GraftError.badData("is not a dataset") }
    layout = try HDF5Layout(layoutMessage)
    let isElsewhere = if case .virtual = layout { true } else { false }
    guard !isElsewhere, try header.first(.externalFiles) == nil else {
      throw GraftError.badData(
        "has its data in other files", hint: "Put the weights into one file")
    }
    type = try HDF5Datatype(typeMessage)
    space = try HDF5Dataspace(spaceMessage)
    shape = space.shape
    filters = try header.first(.filters).map { try HDF5Filters($0) } ?? HDF5Filters()
    fillValue = try HDF5FillValue.bytes(of: header)
  }

  /// The elements. Contiguous little-endian numbers stay in the file's memory.
  ///
  /// - Throws: `GraftError` if they are damaged, neither numbers nor strings, or too many for the
  ///   size of the file
  package func tensor() throws -> Tensor { try tensor(of: type) }

  /// Like ``tensor()``, for opaque bytes with an element type known from elsewhere.
  package func tensor(opaqueAs elementType: ElementType) throws -> Tensor {
    guard case .opaque(elementType.byteWidth, _) = type else { return try tensor() }
    return try tensor(of: .number(elementType, isBigEndian: false))
  }

  private func tensor(of type: HDF5Datatype) throws -> Tensor {
    guard let shape else { throw GraftError.badData("is an empty dataset") }
    let byteCount = try checkedProduct([shape.checkedElementCount(), type.byteCount])
    switch layout {
    case .compact(let bytes):
      return try HDF5Elements(file, type, shape: shape, bytes: bytes).tensor()
    case .contiguous(let address?, let storedByteCount):
      guard byteCount <= storedByteCount ?? byteCount else {
        throw GraftError.damagedHDF5(
          "\(byteCount) bytes of elements are stored in \(storedByteCount ?? 0)")
      }
      let bytes = try file.elements(at: address, count: byteCount)
      return try HDF5Elements(file, type, shape: shape, bytes: bytes).tensor()
    case .contiguous(nil, _): return try tensor(of: type, filled(byteCount), shape)
    case .chunked(let chunks): return try tensor(of: type, joined(chunks, shape, byteCount), shape)
    case .virtual: throw GraftError(.software, "a virtual dataset was not rejected")
    }
  }

  private func tensor(
    of type: HDF5Datatype, _ storage: Storage, _ shape: Shape
  ) throws -> Tensor {
    let bytes = HDF5Reader(storage, 0..<storage.byteCount, widths: file.widths)
    return try HDF5Elements(file, type, shape: shape, bytes: bytes).tensor()
  }

  /// Memory filled with the fill value.
  private func filled(_ byteCount: Int) throws -> Storage {
    try file.countDecoded(byteCount)
    let storage = try Storage.heap(byteCount: byteCount)
    guard fillValue.contains(where: { $0 != 0 }) else { return storage }
    guard fillValue.count == (try type.byteCount) else {
      throw GraftError.damagedHDF5("the fill value has another type")
    }
    let bytes = UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: byteCount)
    for start in stride(from: 0, to: byteCount, by: fillValue.count) {
      bytes[start..<start + fillValue.count].copyBytes(from: fillValue)
    }
    return storage
  }

  private func joined(
    _ chunks: HDF5Layout.Chunked, _ shape: Shape, _ byteCount: Int
  ) throws -> Storage {
    guard chunks.extents.count == shape.count,
      chunks.elementByteCount == (try type.byteCount)
    else { throw GraftError.damagedHDF5("chunks and dataset differ in rank or element type") }
    let chunkByteCount = try chunks.byteCount
    guard chunkByteCount <= file.limits.decodedByteCount else {
      throw GraftError.badData("has chunks of \(chunkByteCount) bytes, too much for its size")
    }
    let target = try filled(byteCount)
    guard byteCount > 0 else { return target }
    let index = try HDF5ChunkIndex(
      file, chunks, shape: shape, maximumExtents: space.maximumExtents,
      isFiltered: !filters.isEmpty)
    try index.forEach { chunk in
      let start = zip(chunk.position, chunks.extents).map { $0 * $1 }
      let isEdge = zip(start, zip(chunks.extents, shape)).contains { $0 + $1.0 > $1.1 }
      let isPlain = filters.isEmpty || (isEdge && chunks.hasPlainEdges)
      let storedByteCount = isPlain ? chunkByteCount : chunk.byteCount
      let stored = try file.elements(at: chunk.address, count: storedByteCount)
      defer { withExtendedLifetime(stored) {} }
      // Plain chunks count too, since an index may refer to one many times.
      try file.countDecoded(chunkByteCount)
      let bytes = UnsafeRawBufferPointer(
        start: stored.storage.baseAddress + stored.position, count: storedByteCount)
      if isPlain {
        HDF5Dataset.copy(bytes, chunks, to: target, shape, at: start)
      } else {
        try file.countStructure(storedByteCount)
        let decoded = try filters.decode(
          bytes, mask: chunk.filterMask, byteCount: chunkByteCount)
        decoded.withUnsafeBytes { HDF5Dataset.copy($0, chunks, to: target, shape, at: start) }
      }
    }
    return target
  }

  /// Copies the part of a chunk within the dataset.
  ///
  /// - Parameter start: the position of the chunk's first element, within the dataset
  private static func copy(
    _ chunk: UnsafeRawBufferPointer, _ chunks: HDF5Layout.Chunked, to target: Storage,
    _ shape: Shape, at start: [Int]
  ) {
    let counts = zip(start, zip(chunks.extents, shape)).map { min($1.0, $1.1 - $0) }
    let (chunkStrides, strides) = (chunks.extents.denseStrides, shape.denseStrides)
    // The last axes that cover both completely form one row.
    var rowAxis = shape.count - 1
    while rowAxis > 0, counts[rowAxis] == shape[rowAxis], counts[rowAxis] == chunks.extents[rowAxis]
    {
      rowAxis -= 1
    }
    let width = chunks.elementByteCount
    let rowByteCount = counts[rowAxis...].reduce(width, *)
    guard let source = chunk.baseAddress else { return }
    var position = [Int](repeating: 0, count: rowAxis)
    while true {
      var (from, to) = (0, start[rowAxis] * strides[rowAxis])
      for axis in rowAxis + 1..<shape.count { to += start[axis] * strides[axis] }
      for axis in 0..<rowAxis {
        from += position[axis] * chunkStrides[axis]
        to += (start[axis] + position[axis]) * strides[axis]
      }
      (target.baseAddress + to * width).copyMemory(
        from: source + from * width, byteCount: rowByteCount)
      guard let axis = (0..<rowAxis).last(where: { position[$0] + 1 < counts[$0] }) else { return }
      position[axis] += 1
      for later in axis + 1..<rowAxis { position[later] = 0 }
    }
  }
}
