import GraftFiles

/// A collection of objects of any size, such as strings.
///
/// Source: HDF5 File Format Specification 3.0, III.E
struct HDF5GlobalHeap {
  private var objects: [Int: HDF5Reader] = [:]

  init(_ file: HDF5File, address: Int) throws {
    // The size of the heads of heap and objects, which are aligned to 8 bytes.
    let headByteCount = (8 + file.widths.length + 7) / 8 * 8
    var head = try file.reader(at: address, count: headByteCount)
    try head.expect(signature: "GCOL")
    try head.expect(version: 1, of: "a global heap")
    try head.skip(3)
    let byteCount = try head.length()
    var reader = try file.reader(at: address, count: byteCount)
    let heapStart = reader.position
    try reader.skip(headByteCount)
    while reader.remainingByteCount >= headByteCount {
      let index = try reader.integer(width: 2)
      try reader.skip(6)
      let byteCount = try reader.length()
      // The free space at the end.
      if index == 0 { break }
      try reader.align(from: heapStart)
      let start = reader.position
      guard objects.updateValue(try reader.part(byteCount), forKey: index) == nil else {
        throw GraftError.damagedHDF5("a global heap has object \(index) twice")
      }
      if reader.remainingByteCount > 0 { try reader.align(from: start) }
    }
  }

  func object(_ index: Int) throws -> HDF5Reader {
    guard let object = objects[index] else {
      throw GraftError.damagedHDF5("a global heap has no object \(index)")
    }
    return object
  }
}
