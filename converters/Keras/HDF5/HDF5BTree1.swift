import GraftFiles

/// B-trees of version 1, which index the names of old groups, and chunks.
///
/// Source: HDF5 File Format Specification 3.0, III.A.1
enum HDF5BTree1 {
  enum Kind: Int {
    case group = 0
    case chunks = 1
  }

  /// Calls `body` with the key and address of each entry of the leaves, in order.
  ///
  /// - Throws: `GraftError` if the tree is damaged, and any error of `body`
  static func forEach(
    _ file: HDF5File, root: Int, _ kind: Kind, keyByteCount: Int,
    _ body: (_ key: HDF5Reader, _ address: Int) throws -> Void
  ) throws {
    var pending: [(address: Int, level: Int?)] = [(root, nil)]
    var visited: Set<Int> = []
    let widths = file.widths
    while let (address, expectedLevel) = pending.popLast() {
      guard visited.insert(address).inserted else {
        throw GraftError.damagedHDF5("two links lead to the B-tree node at \(address)")
      }
      let headByteCount = 8 + 2 * widths.address
      var head = try file.reader(at: address, count: headByteCount)
      try head.expect(signature: "TREE")
      guard try head.byte() == kind.rawValue else {
        throw GraftError.damagedHDF5("the B-tree node at \(address) is of another kind")
      }
      let level = try head.byte()
      guard expectedLevel == nil || level == expectedLevel else {
        throw GraftError.damagedHDF5("the B-tree node at \(address) is of level \(level)")
      }
      let count = try head.integer(width: 2)
      let entryByteCount = keyByteCount + widths.address
      var reader = try file.reader(at: address, count: headByteCount + count * entryByteCount)
      try reader.skip(headByteCount)
      var children: [(address: Int, level: Int?)] = []
      for _ in 0..<count {
        let key = try reader.part(keyByteCount)
        guard let child = try reader.address() else {
          throw GraftError.damagedHDF5("the B-tree node at \(address) has an empty link")
        }
        if level == 0 {
          try body(key, child)
        } else {
          children.append((child, level - 1))
        }
      }
      pending += children.reversed()
    }
  }
}
