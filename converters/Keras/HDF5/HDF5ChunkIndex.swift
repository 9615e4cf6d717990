import GraftFiles
import GraftTensor

/// Finds the chunks of a dataset.
///
/// Source: HDF5 File Format Specification 3.0, VII
struct HDF5ChunkIndex {
  struct Chunk {
    /// The chunk's index along each axis, within the dataset.
    var position: [Int]
    var address: Int
    /// The size in the file.
    var byteCount: Int
    var filterMask = 0
  }

  private let file: HDF5File
  private let layout: HDF5Layout.Chunked
  private let isFiltered: Bool
  private let chunkByteCount: Int
  /// The number of chunks along each axis.
  private let counts: [Int]
  private let maximumExtents: [Int?]

  init(
    _ file: HDF5File, _ layout: HDF5Layout.Chunked, shape: Shape, maximumExtents: [Int?],
    isFiltered: Bool
  ) throws {
    self.file = file
    self.layout = layout
    self.isFiltered = isFiltered
    self.maximumExtents = maximumExtents
    chunkByteCount = try layout.byteCount
    counts = zip(shape, layout.extents).map { HDF5ChunkIndex.quotient($0, $1) }
  }

  private static func quotient(_ extent: Int, _ chunk: Int) -> Int {
    extent / chunk + (extent % chunk == 0 ? 0 : 1)
  }

  /// Calls `body` with each chunk that was written.
  ///
  /// - Throws: `GraftError` if the index is damaged, and any error of `body`
  func forEach(_ body: (Chunk) throws -> Void) throws {
    guard let address = layout.address else { return }
    switch layout.index {
    case .tree1: try forEachInTree1(address, body)
    case .tree2: try forEachInTree2(address, body)
    case .single(let byteCount, let filterMask):
      guard counts.allSatisfy({ $0 == 1 }) else {
        throw GraftError.damagedHDF5("the single chunk does not cover the dataset")
      }
      try body(
        Chunk(
          position: counts.map { _ in 0 }, address: address,
          byteCount: byteCount ?? chunkByteCount, filterMask: filterMask))
    case .implicit:
      let strides = try strides(axes: Array(counts.indices))
      try forEachPosition { position in
        let offset = try checkedProduct([number(position, strides), chunkByteCount])
        let (place, overflow) = address.addingReportingOverflow(offset)
        guard !overflow else { throw GraftError.damagedHDF5("a chunk's position is too large") }
        try body(Chunk(position: position, address: place, byteCount: chunkByteCount))
      }
    case .fixedArray:
      var array = try HDF5FixedArray(file, address: address)
      let strides = try strides(axes: Array(counts.indices))
      try forEachPosition { position in
        guard let entry = try array.entry(number(position, strides)) else { return }
        if let chunk = try chunk(at: position, entry) { try body(chunk) }
      }
    case .extensibleArray:
      var array = try HDF5ExtensibleArray(file, address: address)
      // The unlimited axis comes first, so that new chunks are appended.
      let growing = maximumExtents.firstIndex { $0 == nil } ?? 0
      let strides = try strides(axes: [growing] + counts.indices.filter { $0 != growing })
      try forEachPosition { position in
        guard let entry = try array.entry(number(position, strides)) else { return }
        if let chunk = try chunk(at: position, entry) { try body(chunk) }
      }
    }
  }

  // MARK: B-trees, whose entries have the chunk's position

  private func forEachInTree1(_ root: Int, _ body: (Chunk) throws -> Void) throws {
    try HDF5BTree1.forEach(
      file, root: root, .chunks, keyByteCount: 8 + 8 * (counts.count + 1)
    ) { key, address in
      var key = key
      let byteCount = try key.integer(width: 4)
      let filterMask = try key.integer(width: 4)
      let position = try layout.extents.map { extent in
        let offset = try key.integer(width: 8)
        guard offset % extent == 0 else { throw misplaced }
        return offset / extent
      }
      guard isInside(position) else { return }
      try body(
        Chunk(
          position: position, address: address, byteCount: byteCount, filterMask: filterMask))
    }
  }

  private func forEachInTree2(_ root: Int, _ body: (Chunk) throws -> Void) throws {
    let tree = try HDF5BTree2(file, address: root, isFiltered ? .filteredChunks : .chunks)
    let positionByteCount = 8 * counts.count
    try tree.forEach { record in
      var record = record
      let entry = try record.part(record.remainingByteCount - positionByteCount)
      let position = try counts.map { _ in try record.integer(width: 8) }
      guard isInside(position), let chunk = try chunk(at: position, entry) else { return }
      try body(chunk)
    }
  }

  /// Chunks stay in the index when a dataset is made smaller.
  private func isInside(_ position: [Int]) -> Bool { zip(position, counts).allSatisfy { $0 < $1 } }

  private var misplaced: GraftError { .damagedHDF5("a chunk starts inside another one") }

  // MARK: Arrays, whose entries are in the order of the chunks

  /// The step between neighbouring chunk numbers along each axis; the first of `axes` is the
  /// outermost.
  ///
  /// They depend on the maximum extents, so that numbers stay the same when the dataset grows.
  private func strides(axes: [Int]) throws -> [Int] {
    var strides = counts
    var step = 1
    for axis in axes.reversed() {
      strides[axis] = step
      guard axis != axes[0] else { break }
      guard let extent = maximumExtents[axis], extent / layout.extents[axis] < 1 << 48 else {
        throw GraftError.damagedHDF5("chunks along axis \(axis) cannot be numbered")
      }
      step = try checkedProduct([step, HDF5ChunkIndex.quotient(extent, layout.extents[axis])])
    }
    return strides
  }

  private func number(_ position: [Int], _ strides: [Int]) throws -> Int {
    try zip(position, strides).reduce(0) { sum, pair in
      let (next, overflow) = sum.addingReportingOverflow(try checkedProduct([pair.0, pair.1]))
      guard !overflow else { throw GraftError.damagedHDF5("there are too many chunks") }
      return next
    }
  }

  private func forEachPosition(_ body: ([Int]) throws -> Void) throws {
    var position = counts.map { _ in 0 }
    while true {
      try body(position)
      guard let axis = counts.indices.last(where: { position[$0] + 1 < counts[$0] }) else { return }
      position[axis] += 1
      for later in axis + 1..<counts.count { position[later] = 0 }
    }
  }

  /// Reads an address and, if there are filters, a size as wide as the rest of the entry and a
  /// mask.
  ///
  /// - Returns: `nil` if the chunk was never written
  private func chunk(at position: [Int], _ entry: HDF5Reader) throws -> Chunk? {
    var reader = entry
    let sizeWidth = reader.remainingByteCount - file.widths.address - 4
    guard let address = try reader.address() else { return nil }
    var chunk = Chunk(position: position, address: address, byteCount: chunkByteCount)
    if isFiltered {
      guard (1...8).contains(sizeWidth) else {
        throw GraftError.damagedHDF5("chunk sizes are \(sizeWidth) bytes wide")
      }
      chunk.byteCount = try reader.integer(width: sizeWidth)
      chunk.filterMask = try reader.integer(width: 4)
    }
    return chunk
  }
}
