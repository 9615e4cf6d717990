import CGraftKernels
import GraftFiles

/// Decision trees in the form of the kernels: see graft_trees.h.
///
/// Kernels only ask whether a key is at most a threshold. Comparisons the other way round exchange
/// the children, and sets become searches. A column of keys is a feature, with NaN below or above
/// all numbers, so that NaN goes where a node sends it. A node that several others share is copied,
/// not what is below it.
final class CompiledForest: Sendable {
  struct Column: Hashable, Sendable {
    let feature: Int
    let nanIsLowest: Bool
  }

  /// Whether keys are those of doubles, and nodes `graft_wide_tree_node`.
  let isWide: Bool
  let trees: [graft_tree]
  /// Column 0 of the kernels is not among them.
  let columns: [Column]
  let nodes: Storage

  /// - Parameter takesFloats: whether rows are floats; if not, they are doubles
  init(_ source: DecisionTrees, takesFloats: Bool) throws {
    var compiler = try ForestCompiler(source, isWide: !takesFloats)
    if takesFloats, !compiler.fitsNarrowNodes {
      compiler = try ForestCompiler(source, isWide: true)
    }
    isWide = compiler.isWide
    trees = compiler.trees
    columns = compiler.columns
    nodes = try compiler.storage()
  }

  /// The bytes of a panel of keys.
  var panelByteCount: Int { (columns.count + 1) * Int(GRAFT_TREE_ROWS) * (isWide ? 8 : 4) }
}

/// Compiles the trees one after the other, each into nodes of its own unless they share some.
private struct ForestCompiler {
  private let source: DecisionTrees
  let isWide: Bool
  private(set) var trees: [graft_tree] = []
  private(set) var columns: [CompiledForest.Column] = []
  private var columnNumbers: [CompiledForest.Column: UInt32] = [:]
  private var nodes: [graft_wide_tree_node] = []
  /// The node from which `left` counts.
  private var first = 0
  private var largestTree = 0
  /// Where each place was written first; -1 before.
  private var slots: [Int32]
  /// Nodes to write.
  private var open: [(slot: Int, place: Int)] = []

  init(_ source: DecisionTrees, isWide: Bool) throws {
    self.source = source
    self.isWide = isWide
    slots = [Int32](repeating: -1, count: source.comparisons.count)
    nodes.reserveCapacity(source.comparisons.count)
    for root in source.roots {
      if !source.shareNodes { first = nodes.count }
      let slot = nodes.count
      nodes.append(graft_wide_tree_node())
      open.removeAll(keepingCapacity: true)
      open.append((slot, Int(root)))
      // Breadth first, so that the nodes that most rows visit are together.
      var next = 0
      while next < open.count {
        try write(open[next].place, at: open[next].slot)
        next += 1
      }
      largestTree = max(largestTree, nodes.count - first)
      trees.append(
        graft_tree(
          first: Int64(first), root: UInt32(slot - first), depth: source.heights[Int(root)]))
    }
  }

  var fitsNarrowNodes: Bool {
    largestTree <= Int(UInt16.max) + 1 && columns.count <= Int(UInt16.max)
  }

  /// The nodes in the memory of kernels.
  func storage() throws -> Storage {
    let width =
      isWide ? MemoryLayout<graft_wide_tree_node>.stride : MemoryLayout<graft_tree_node>.stride
    let storage = try Storage.heap(byteCount: nodes.count * width)
    guard !isWide else {
      nodes.withUnsafeBytes { bytes in
        UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: bytes.count)
          .copyMemory(from: bytes)
      }
      return storage
    }
    let narrow = storage.baseAddress.bindMemory(to: graft_tree_node.self, capacity: nodes.count)
    for (index, node) in nodes.enumerated() {
      narrow[index] = graft_tree_node(
        threshold: Int32(truncatingIfNeeded: node.threshold),
        column: UInt16(truncatingIfNeeded: node.column),
        left: UInt16(truncatingIfNeeded: node.left))
    }
    return storage
  }

  // MARK: Nodes

  /// Writes the node of a place. What is below it is written with the first of its copies.
  private mutating func write(_ place: Int, at slot: Int) throws {
    guard source.comparisons[place] != .leaf else {
      nodes[slot] = graft_wide_tree_node(
        threshold: Int64(source.leaves[place]), column: 0, left: UInt32(slot - first))
      return
    }
    guard slots[place] < 0 else {
      nodes[slot] = nodes[Int(slots[place])]
      return
    }
    slots[place] = Int32(slot)
    let missingIsTrue = source.missingIsTrue[place]
    let whenTrue = Int(source.whenTrue[place])
    let whenFalse = Int(source.whenFalse[place])
    let threshold = source.thresholds[place]
    let feature = source.features[place]
    switch source.comparisons[place] {
    case .lessOrEqual, .less:
      let isStrict = source.comparisons[place] == .less
      try split(
        slot, isStrict ? keyBelow(threshold) : keyAtMost(threshold),
        column(feature, nanIsLowest: missingIsTrue), whenTrue, whenFalse)
    case .greater, .greaterOrEqual:
      let isStrict = source.comparisons[place] == .greater
      // No number compares with NaN: all go where the comparison is false.
      let key =
        threshold.isNaN ? highest - 1 : isStrict ? keyAtMost(threshold) : keyBelow(threshold)
      try split(
        slot, key, column(feature, nanIsLowest: !missingIsTrue), whenFalse, whenTrue)
    case .equal:
      try search([threshold], feature, slot, whenTrue, whenFalse, missingIsMember: missingIsTrue)
    case .notEqual:
      try search([threshold], feature, slot, whenFalse, whenTrue, missingIsMember: !missingIsTrue)
    case .member:
      let range = source.memberRanges[Int32(place)] ?? 0..<0
      try search(
        source.members[range], feature, slot, whenTrue, whenFalse, missingIsMember: missingIsTrue)
    case .leaf: break
    }
  }

  /// Writes a node, and opens the two after it.
  private mutating func split(
    _ slot: Int, _ key: Int64, _ column: UInt32, _ left: Int, _ right: Int
  ) throws {
    let pair = try addPair(below: slot, key, column)
    open.append((pair, left))
    open.append((pair + 1, right))
  }

  /// Writes a node whose children are not written yet, and returns the first of them.
  private mutating func addPair(below slot: Int, _ key: Int64, _ column: UInt32) throws -> Int {
    let pair = nodes.count
    guard pair < Int(Int32.max) - 2 else { throw GraftError.badData("has too many nodes") }
    nodes.append(graft_wide_tree_node())
    nodes.append(graft_wide_tree_node())
    nodes[slot] = graft_wide_tree_node(
      threshold: key, column: column, left: UInt32(pair - first))
    return pair
  }

  private mutating func column(_ feature: Int, nanIsLowest: Bool) -> UInt32 {
    let column = CompiledForest.Column(feature: feature, nanIsLowest: nanIsLowest)
    if let number = columnNumbers[column] { return number }
    columns.append(column)
    columnNumbers[column] = UInt32(columns.count)
    return UInt32(columns.count)
  }

  // MARK: Sets

  /// Keys up to a bound, and whether they are members.
  private struct Interval {
    let bound: Int64
    let isMember: Bool
  }

  /// Writes nodes that find out whether a feature is in a set.
  ///
  /// - Parameters:
  ///   - members: ascending
  ///   - inside: the place of members
  ///   - outside: the place of others
  private mutating func search(
    _ members: some Collection<Double>, _ feature: Int, _ slot: Int, _ inside: Int,
    _ outside: Int, missingIsMember: Bool
  ) throws {
    var intervals: [Interval] = []
    for member in members {
      guard let key = keyOf(member) else { continue }
      let last = intervals.last?.bound ?? lowest
      if key == last { continue }
      if key - 1 > last { intervals.append(Interval(bound: key - 1, isMember: false)) }
      intervals.append(Interval(bound: key, isMember: true))
    }
    intervals.append(Interval(bound: highest, isMember: false))
    let column = column(feature, nanIsLowest: false)
    guard missingIsMember else {
      // Copies need a node of the place's own.
      if intervals.count == 1 { return try split(slot, highest, column, outside, outside) }
      return try search(intervals[...], column, slot, inside, outside)
    }
    let nanColumn = self.column(feature, nanIsLowest: true)
    let pair = try addPair(below: slot, lowest, nanColumn)
    open.append((pair, inside))
    try search(intervals[...], column, pair + 1, inside, outside)
  }

  private mutating func search(
    _ intervals: ArraySlice<Interval>, _ column: UInt32, _ slot: Int, _ inside: Int, _ outside: Int
  ) throws {
    guard intervals.count > 1 else {
      open.append((slot, intervals.first?.isMember == true ? inside : outside))
      return
    }
    let middle = intervals.startIndex + intervals.count / 2
    let pair = try addPair(below: slot, intervals[middle - 1].bound, column)
    try search(intervals[..<middle], column, pair, inside, outside)
    try search(intervals[middle...], column, pair + 1, inside, outside)
  }

  // MARK: Keys

  private var lowest: Int64 { isWide ? .min : Int64(Int32.min) }
  private var highest: Int64 { isWide ? .max : Int64(Int32.max) }

  /// The key of the largest number up to a threshold; the lowest key for NaN.
  private func keyAtMost(_ threshold: Double) -> Int64 {
    if threshold.isNaN { return lowest }
    if isWide { return Self.key(threshold) }
    let nearest = Float(threshold)
    return Double(nearest) > threshold ? Self.key(nearest) - 1 : Self.key(nearest)
  }

  /// The key of the largest number below a threshold; the lowest key for NaN.
  private func keyBelow(_ threshold: Double) -> Int64 {
    keyOf(threshold).map { $0 - 1 } ?? keyAtMost(threshold)
  }

  /// The key of a number; `nil` for NaN, and for doubles that no float equals.
  private func keyOf(_ number: Double) -> Int64? {
    guard !number.isNaN, isWide || Double(Float(number)) == number else { return nil }
    return keyAtMost(number)
  }

  /// See `graft_trees_keys_f64`.
  private static func key(_ number: Double) -> Int64 {
    let bits = Int64(bitPattern: number.bitPattern)
    return bits < 0 ? .min - bits : bits
  }

  private static func key(_ number: Float) -> Int64 {
    let bits = Int32(bitPattern: number.bitPattern)
    return Int64(bits < 0 ? .min - bits : bits)
  }
}
