import GraftFiles
import GraftGraph

/// The keys of a graph's values in checkpoints.
///
/// A key is the value's name if that is short, plain and unique; otherwise `#` and the value's
/// number, which is the same whenever the same network is read. Names in imported networks may be
/// empty, equal, or anything at all.
struct CheckpointKeys {
  /// The prefix for weights of a phase's best epoch.
  static let bestPrefix = "best/"
  private static let lengthLimit = 200

  private var keys: [ValueID: String] = [:]
  private var taken: Set<ByteString> = [ByteString(Checkpoint.textName)]

  /// - Parameter graph: its constants get keys
  init(_ graph: Graph) { add(graph.constants.keys.map { ($0, graph[$0].name) }) }

  /// Gives keys to values without one; existing keys stay.
  mutating func add(_ values: [(id: ValueID, name: String)]) {
    let new = values.filter { keys[$0.id] == nil }
    let counts = Dictionary(new.map { (ByteString($0.name), 1) }, uniquingKeysWith: +)
    for (id, name) in new.sorted(by: { $0.id < $1.id }) {
      let isUsable =
        counts[ByteString(name)] == 1 && !taken.contains(ByteString(name))
        && CheckpointKeys.isPlain(name)
      let key = isUsable ? name : "#\(id.index)"
      keys[id] = key
      taken.insert(ByteString(key))
    }
  }

  subscript(_ id: ValueID) -> String { keys[id] ?? "#\(id.index)" }

  /// Whether an archive preserves the name, and it has no special meaning here.
  private static func isPlain(_ name: String) -> Bool {
    (1...lengthLimit).contains(name.utf8.count)
      && name.unicodeScalars.allSatisfy { $0.value > 0x1f && $0.value != 0x7f }
      && !name.hasPrefix("#") && !name.hasPrefix(bestPrefix) && !name.hasSuffix(".npy")
  }
}
