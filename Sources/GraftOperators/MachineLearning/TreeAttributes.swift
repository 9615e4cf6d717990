import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The trees of TreeEnsembleClassifier and TreeEnsembleRegressor: nodes by the numbers of trees and
/// nodes, and votes of leaves.
struct TreeAttributes {
  private(set) var trees = DecisionTrees()
  /// The leaf and the target of each vote, and its weight.
  private(set) var voteLeaves: [Int32] = []
  private(set) var voteTargets: [Int32] = []
  private(set) var voteWeights: [Double] = []
  let baseValues: [Double]

  /// - Parameters:
  ///   - prefix: of the attributes of votes: `class`, `target`
  ///   - targetCount: the number of targets; `nil` for as many as there are votes for
  /// - Throws: `GraftError` if nodes are missing, are there twice or form a cycle, or votes are of
  ///   unknown leaves or targets
  init(_ attributes: AttributeReader, prefix: String, targetCount: Int?) throws {
    baseValues = try Self.numbers("base_values", attributes)
    let places = try NodePlaces(
      trees: try attributes.ints("nodes_treeids") ?? [],
      nodes: try attributes.ints("nodes_nodeids") ?? [])
    try readNodes(places, attributes)
    try findRoots(places)
    try trees.finish()
    try readVotes(places, prefix, attributes, targetCount: targetCount)
  }

  /// An attribute with floats, or that with doubles.
  private static func numbers(_ name: String, _ attributes: AttributeReader) throws -> [Double] {
    if let tensor = try attributes.tensor("\(name)_as_tensor"), tensor.elementCount > 0 {
      return try tensor.doubles()
    }
    return (try attributes.floats(name) ?? []).map { Double($0) }
  }

  private mutating func readNodes(_ places: NodePlaces, _ attributes: AttributeReader) throws {
    let count = places.count
    func checked<Element>(_ name: String, _ list: [Element]?) throws -> [Element] {
      let list = list ?? []
      guard list.count == count else {
        throw GraftError.badData(
          "'\(name)' has \(list.count) entries; 'nodes_nodeids' has \(count)")
      }
      return list
    }
    let modes = try checked("nodes_modes", try attributes.strings("nodes_modes"))
    let whenTrue = try checked("nodes_truenodeids", try attributes.ints("nodes_truenodeids"))
    let whenFalse = try checked("nodes_falsenodeids", try attributes.ints("nodes_falsenodeids"))
    trees.features = try checked("nodes_featureids", try attributes.ints("nodes_featureids"))
    trees.thresholds = try checked("nodes_values", try Self.numbers("nodes_values", attributes))
    let missing = try attributes.ints("nodes_missing_value_tracks_true") ?? []
    trees.missingIsTrue =
      missing.isEmpty
      ? [Bool](repeating: false, count: count)
      : try checked("nodes_missing_value_tracks_true", missing).map { $0 != 0 }
    trees.comparisons.reserveCapacity(count)
    trees.leaves = [Int32](repeating: -1, count: count)
    trees.whenTrue = trees.leaves
    trees.whenFalse = trees.leaves
    for place in 0..<count {
      guard let comparison = TreeComparison(mode: modes[place]) else {
        throw GraftError.badData(
          "\(places.label(place)) has the unknown mode '\(modes[place].prefix(40))'")
      }
      trees.comparisons.append(comparison)
      guard comparison != .leaf else {
        trees.leaves[place] = Int32(trees.leafCount)
        trees.leafCount += 1
        continue
      }
      guard trees.features[place] >= 0 else {
        throw GraftError.badData(
          "\(places.label(place)) tests feature \(trees.features[place])")
      }
      trees.whenTrue[place] = Int32(try places.child(whenTrue[place], of: place))
      trees.whenFalse[place] = Int32(try places.child(whenFalse[place], of: place))
    }
  }

  /// The first node of each tree that is no child.
  private mutating func findRoots(_ places: NodePlaces) throws {
    var isChild = [Bool](repeating: false, count: places.count)
    for place in 0..<places.count where trees.comparisons[place] != .leaf {
      isChild[Int(trees.whenTrue[place])] = true
      isChild[Int(trees.whenFalse[place])] = true
    }
    var found: Set<Int> = []
    var last: Int?
    for place in 0..<places.count where !isChild[place] {
      let tree = places.trees[place]
      guard tree != last, found.insert(tree).inserted else { continue }
      last = tree
      trees.roots.append(Int32(place))
    }
    guard found.count == places.treeCount else {
      throw GraftError.badData("has a tree with a cycle", hint: "The model is damaged")
    }
  }

  private mutating func readVotes(
    _ places: NodePlaces, _ prefix: String, _ attributes: AttributeReader, targetCount: Int?
  ) throws {
    let treeNumbers = try attributes.ints("\(prefix)_treeids") ?? []
    let nodeNumbers = try attributes.ints("\(prefix)_nodeids") ?? []
    let targets = try attributes.ints("\(prefix)_ids") ?? []
    let weights = try Self.numbers("\(prefix)_weights", attributes)
    guard
      [nodeNumbers.count, targets.count, weights.count].allSatisfy({ $0 == treeNumbers.count })
    else {
      throw GraftError.badData("the attributes '\(prefix)_…' are of different lengths")
    }
    let targetLimit = targetCount ?? Int(Int32.max)
    for vote in targets.indices {
      guard let place = places.place(tree: treeNumbers[vote], node: nodeNumbers[vote]) else {
        throw GraftError.badData(
          "has a vote of node \(nodeNumbers[vote]) of tree \(treeNumbers[vote]), "
            + "which does not exist")
      }
      guard (0..<targetLimit).contains(targets[vote]) else {
        throw GraftError.badData(
          "\(places.label(place)) votes for number \(targets[vote]) of \(targetLimit)")
      }
      // Other nodes have no votes: rows never end there.
      guard trees.comparisons[place] == .leaf else { continue }
      voteLeaves.append(trees.leaves[place])
      voteTargets.append(Int32(targets[vote]))
      voteWeights.append(weights[vote])
    }
  }
}

extension TreeComparison {
  fileprivate init?(mode: String) {
    switch mode {
    case "BRANCH_LEQ": self = .lessOrEqual
    case "LEAF": self = .leaf
    case "BRANCH_LT": self = .less
    case "BRANCH_GTE": self = .greaterOrEqual
    case "BRANCH_GT": self = .greater
    case "BRANCH_EQ": self = .equal
    case "BRANCH_NEQ": self = .notEqual
    default: return nil
    }
  }
}

/// Where the nodes of trees are in the lists.
///
/// Nodes usually come tree by tree and are numbered from 0. Others are looked up.
private struct NodePlaces {
  let trees: [Int]
  private let nodes: [Int]
  private struct Key: Hashable {
    let tree: Int
    let node: Int
  }
  /// The places of each tree, if all have consecutive places and numbers from 0.
  private var ranges: [Int: Range<Int>] = [:]
  private var places: [Key: Int] = [:]
  private(set) var treeCount = 0

  init(trees: [Int], nodes: [Int]) throws {
    guard trees.count == nodes.count, nodes.count <= DecisionTrees.placeLimit else {
      throw GraftError.badData(
        "'nodes_treeids' has \(trees.count) entries; 'nodes_nodeids' has \(nodes.count)")
    }
    self.trees = trees
    self.nodes = nodes
    if let ranges = Self.ranges(trees, nodes) {
      self.ranges = ranges
      treeCount = ranges.count
      return
    }
    places.reserveCapacity(nodes.count)
    for place in nodes.indices {
      let key = Key(tree: trees[place], node: nodes[place])
      guard places.updateValue(place, forKey: key) == nil else {
        throw GraftError.badData("\(label(place)) is there twice")
      }
    }
    treeCount = Set(trees).count
  }

  private static func ranges(_ trees: [Int], _ nodes: [Int]) -> [Int: Range<Int>]? {
    var ranges: [Int: Range<Int>] = [:]
    var start = 0
    for place in nodes.indices {
      if trees[place] != trees[start] {
        guard ranges.updateValue(start..<place, forKey: trees[start]) == nil else { return nil }
        start = place
      }
      guard nodes[place] == place - start else { return nil }
    }
    guard !nodes.isEmpty else { return [:] }
    guard ranges.updateValue(start..<nodes.count, forKey: trees[start]) == nil else { return nil }
    return ranges
  }

  var count: Int { nodes.count }

  func label(_ place: Int) -> String { "node \(nodes[place]) of tree \(trees[place])" }

  func place(tree: Int, node: Int) -> Int? {
    guard places.isEmpty else { return places[Key(tree: tree, node: node)] }
    guard node >= 0, let range = ranges[tree], node < range.count else { return nil }
    return range.lowerBound + node
  }

  /// The place of a node's child.
  func child(_ node: Int, of parent: Int) throws -> Int {
    // Most often the tree's numbers are places: then nothing needs to be looked up.
    if places.isEmpty {
      let start = parent - nodes[parent]
      let (place, overflow) = start.addingReportingOverflow(node)
      if !overflow, node >= 0, place < count, trees[place] == trees[parent] { return place }
    } else if let place = places[Key(tree: trees[parent], node: node)] {
      return place
    }
    throw GraftError.badData("\(label(parent)) has the child \(node), which does not exist")
  }
}
