import GraftFiles

/// B-trees of version 2: their records lead to links, attributes, large objects of heaps, and
/// chunks.
///
/// Source: HDF5 File Format Specification 3.0, III.A.2
struct HDF5BTree2 {
  /// Numbers of the types of records.
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
  /// Per level from the leaves on, what the nodes can hold.
  private var levels: [Level] = []

  private struct Level {
    var recordLimit: Int
    /// Of the whole subtree.
    var totalLimit: Int
    /// Bytes of a number of records of a whole subtree.
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
      throw GraftError.damagedHDF5("the B-tree at \(address) has nodes that hold nothing")
    }
    try measureLevels()
  }

  /// How wide the numbers of records are depends on how many fit into a node.
  private mutating func measureLevels() throws {
    let leafLimit = (nodeByteCount - 10) / recordByteCount
    levels.append(Level(recordLimit: leafLimit, totalLimit: leafLimit, totalWidth: 0))
    for _ in 0..<depth {
      let below = levels[levels.count - 1]
      let pointer = file.widths.address + HDF5BTree2.width(leafLimit) + below.totalWidth
      let limit = (nodeByteCount - 10 - pointer) / (recordByteCount + pointer)
      guard limit > 0 else { throw GraftError.damagedHDF5("a B-tree's nodes hold nothing") }
      let total = try checkedProduct([limit + 1, below.totalLimit])
      let (withOwn, overflow) = total.addingReportingOverflow(limit)
      guard !overflow else { throw GraftError.damagedHDF5("a B-tree is too deep") }
      levels.append(
        Level(
          recordLimit: limit, totalLimit: withOwn, totalWidth: HDF5BTree2.width(withOwn)))
    }
  }

  /// Bytes that numbers up to `limit` take.
  static func width(_ limit: Int) -> Int { (Int.bitWidth - 1 - limit.leadingZeroBitCount) / 8 + 1 }

  /// Calls `body` with each record, in their order.
  ///
  /// - Throws: `GraftError` if the tree is damaged, and whatever `body` throws.
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
      throw GraftError.damagedHDF5("two ways lead to the B-tree's node at \(address)")
    }
    guard count <= levels[level].recordLimit else {
      throw GraftError.damagedHDF5("the B-tree's node at \(address) is too full")
    }
    let addressWidth = file.widths.address
    let countWidth = HDF5BTree2.width(levels[0].recordLimit)
    let totalWidth = level > 0 ? levels[level - 1].totalWidth : 0
    let pointer = level > 0 ? addressWidth + countWidth + totalWidth : 0
    let byteCount = 10 + count * recordByteCount + (level > 0 ? (count + 1) * pointer : 0)
    var reader = try file.reader(at: address, count: byteCount)
    let start = reader.position
    try reader.expect(signature: level > 0 ? "BTIN" : "BTLF")
    try reader.expect(version: 0, of: "a B-tree's node")
    guard try reader.byte() == kind.rawValue else {
      throw GraftError.damagedHDF5("the B-tree's node at \(address) is of another kind")
    }
    let records = try (0..<count).map { _ in try reader.part(recordByteCount) }
    var children: [(address: Int, count: Int)] = []
    if level > 0 {
      for _ in 0...count {
        guard let child = try reader.address() else {
          throw GraftError.damagedHDF5("the B-tree's node at \(address) leads nowhere")
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
