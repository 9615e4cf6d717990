import GraftFiles

/// B-trees of version 2, whose records index links, attributes, large heap objects and chunks.
///
/// Source: HDF5 File Format Specification 3.0, III.A.2
struct HDF5BTree2 {
  /// The numbers of the record types.
  enum Kind: Int {
    case largeObjects = 1
    case linkNames = 5
    case attributeNames = 8
    case chunks = 10
    case filteredChunks = 11
  }

  private let file: HDF5File
  private let kind: Kind
  private let nodeByteCount: Int
  let recordByteCount: Int
  private let depth: Int
  private let root: (address: Int, recordCount: Int)?
  /// The capacity of the nodes of each level, starting from the leaves.
  private var levels: [Level] = []

  private struct Level {
    var recordLimit: Int
    /// The most records of a whole subtree.
    var totalLimit: Int
    /// The bytes of a subtree's record count.
    var totalWidth: Int
  }

  init(_ file: HDF5File, address: Int, _ kind: Kind) throws {
    self.file = file
    self.kind = kind
    let widths = file.widths
    var reader = try file.reader(at: address, count: 22 + widths.address + widths.length)
    let start = reader.position
    try reader.expect(signature: "BTHD")
    try reader.expect(version: 0, of: "a B-tree")
    guard try reader.byte() == kind.rawValue else {
      throw GraftError.damagedHDF5("the B-tree at \(address) is of another kind")
    }
    nodeByteCount = try reader.integer(width: 4)
    recordByteCount = try reader.integer(width: 2)
    depth = try reader.integer(width: 2)
    try reader.skip(2)
    let rootAddress = try reader.address()
    let rootCount = try reader.integer(width: 2)
    _ = try reader.length()
    try reader.expectChecksum(from: start)
    root = rootAddress.map { ($0, rootCount) }
    guard recordByteCount > 0, nodeByteCount > 10 + recordByteCount, depth <= 32 else {
      throw GraftError.damagedHDF5("the B-tree at \(address) has nodes without room for records")
    }
    try measureLevels()
  }

  /// The width of a record count depends on how many records fit into a node.
  private mutating func measureLevels() throws {
    let leafLimit = (nodeByteCount - 10) / recordByteCount
    levels.append(Level(recordLimit: leafLimit, totalLimit: leafLimit, totalWidth: 0))
    for _ in 0..<depth {
      let below = levels[levels.count - 1]
      let pointer = file.widths.address + HDF5BTree2.width(leafLimit) + below.totalWidth
      let limit = (nodeByteCount - 10 - pointer) / (recordByteCount + pointer)
      guard limit > 0 else { throw GraftError.damagedHDF5("B-tree nodes have no room for records") }
      let total = try checkedProduct([limit + 1, below.totalLimit])
      let (withOwn, overflow) = total.addingReportingOverflow(limit)
      guard !overflow else { throw GraftError.damagedHDF5("a B-tree is too deep") }
      levels.append(
        Level(
          recordLimit: limit, totalLimit: withOwn, totalWidth: HDF5BTree2.width(withOwn)))
    }
  }

  /// The bytes needed for numbers up to `limit`.
  static func width(_ limit: Int) -> Int { (Int.bitWidth - 1 - limit.leadingZeroBitCount) / 8 + 1 }

  /// Calls `body` with each record, in order.
  ///
  /// - Throws: `GraftError` if the tree is damaged, and any error of `body`
  func forEach(_ body: (HDF5Reader) throws -> Void) throws {
    guard let root else { return }
    var visited: Set<Int> = []
    try visit(root.address, root.recordCount, level: depth, &visited, body)
  }

  private func visit(
    _ address: Int, _ count: Int, level: Int, _ visited: inout Set<Int>,
    _ body: (HDF5Reader) throws -> Void
  ) throws {
    guard visited.insert(address).inserted else {
      throw GraftError.damagedHDF5("two links lead to the B-tree node at \(address)")
    }
    guard count <= levels[level].recordLimit else {
      throw GraftError.damagedHDF5("the B-tree node at \(address) is too full")
    }
    let addressWidth = file.widths.address
    let countWidth = HDF5BTree2.width(levels[0].recordLimit)
    let totalWidth = level > 0 ? levels[level - 1].totalWidth : 0
    let pointer = level > 0 ? addressWidth + countWidth + totalWidth : 0
    let byteCount = 10 + count * recordByteCount + (level > 0 ? (count + 1) * pointer : 0)
    var reader = try file.reader(at: address, count: byteCount)
    let start = reader.position
    try reader.expect(signature: level > 0 ? "BTIN" : "BTLF")
    try reader.expect(version: 0, of: "a B-tree node")
    guard try reader.byte() == kind.rawValue else {
      throw GraftError.damagedHDF5("the B-tree node at \(address) is of another kind")
    }
    let records = try (0..<count).map { _ in try reader.part(recordByteCount) }
    var children: [(address: Int, count: Int)] = []
    if level > 0 {
      for _ in 0...count {
        guard let child = try reader.address() else {
          throw GraftError.damagedHDF5("the B-tree node at \(address) has an empty link")
        }
        children.append((child, try reader.integer(width: countWidth)))
        try reader.skip(totalWidth)
      }
    }
    try reader.expectChecksum(from: start)
    for index in 0...count {
      if level > 0 {
        try visit(
          children[index].address, children[index].count, level: level - 1, &visited, body)
      }
      if index < count { try body(records[index]) }
    }
  }
}
