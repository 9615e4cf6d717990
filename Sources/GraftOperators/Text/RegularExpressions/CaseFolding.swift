/// Code points that differ in case alone, by simple case folding.
///
/// Source: <https://www.unicode.org/Public/UCD/latest/ucd/CaseFolding.txt>, statuses C and S. These
/// follow from the mappings to one scalar, but for the pairs below.
enum CaseFolding {
  /// For each code point with others that fold alike, all of them.
  private static let orbits: [UInt32: [UInt32]] = {
    var parents: [UInt32: UInt32] = [:]
    func root(_ scalar: UInt32) -> UInt32 {
      var scalar = scalar
      while let parent = parents[scalar] { scalar = parent }
      return scalar
    }
    func join(_ first: UInt32, _ second: UInt32) {
      let (first, second) = (root(first), root(second))
      if first != second { parents[max(first, second)] = min(first, second) }
    }
    var members: Set<UInt32> = []
    // Letters with case are in the first two planes.
    for value in 0...UInt32(0x1ffff) {
      // Only Turkish and Azeri pair these with i and I.
      guard value != 0x130, value != 0x131, let scalar = Unicode.Scalar(value) else { continue }
      let properties = scalar.properties
      guard properties.changesWhenCaseMapped else { continue }
      for mapping in [properties.lowercaseMapping, properties.uppercaseMapping] {
        let scalars = mapping.unicodeScalars
        guard scalars.count == 1, let other = scalars.first, other != scalar else { continue }
        join(value, other.value)
        members.formUnion([value, other.value])
      }
    }
    for (first, second) in equivalents {
      join(first, second)
      members.formUnion([first, second])
    }
    var groups: [UInt32: [UInt32]] = [:]
    for member in members.sorted() { groups[root(member), default: []].append(member) }
    var orbits: [UInt32: [UInt32]] = [:]
    for group in groups.values { for member in group { orbits[member] = group } }
    return orbits
  }()

  /// Letters whose uppercase are the same several scalars.
  private static let equivalents: [(UInt32, UInt32)] = [
    (0x390, 0x1fd3), (0x3b0, 0x1fe3), (0xfb05, 0xfb06),
  ]

  private static let folding = orbits.keys.sorted()

  /// A code point with all that differ in case alone.
  static func orbit(_ scalar: UInt32) -> ScalarSet {
    ScalarSet((orbits[scalar] ?? [scalar]).map { $0...$0 })
  }

  /// A set with all that differ from its members in case alone.
  static func closure(_ set: ScalarSet) -> ScalarSet {
    var ranges = set.ranges
    for scalar in folding where set.contains(scalar) {
      for other in orbits[scalar] ?? [] { ranges.append(other...other) }
    }
    return ScalarSet(ranges)
  }
}
