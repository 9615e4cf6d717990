import Synchronization

/// Constants in the form that kernels want, made once and shared by all plans of a model.
package final class PackedConstants: Sendable {
  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let byteOffset: Int
    let shape: Shape
    let format: String
  }

  private struct Entry: Sendable {
    /// Keeps the storage, whose identity is in the key, alive.
    let source: Tensor
    let packed: Tensor
  }

  private let entries = Mutex<[Key: Entry]>([:])

  package init() {}

  /// `source` in the form `format`, made by `make` the first time.
  package func packed(
    _ source: Tensor, format: String, make: () throws -> Tensor
  ) throws -> Tensor {
    let key = Key(
      storage: ObjectIdentifier(source.storage), byteOffset: source.byteOffset,
      shape: source.shape, format: format)
    if let entry = entries.withLock({ $0[key] }) { return entry.packed }
    let packed = try make()
    return entries.withLock { entries in
      if let entry = entries[key] { return entry.packed }
      entries[key] = Entry(source: source, packed: packed)
      return packed
    }
  }

  /// Bytes of all packed constants.
  package var byteCount: Int {
    entries.withLock { $0.values.reduce(0) { $0 + $1.packed.byteCount } }
  }
}
