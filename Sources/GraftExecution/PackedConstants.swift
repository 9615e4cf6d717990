import GraftFiles
import GraftTensor
import Synchronization

/// Constants in the form that kernels want, made once and shared by all plans of a model.
///
/// A compiled model brings some along; each of them is checked before its first use, and made anew
/// if it is damaged, or not of the size that the kernel is going to read.
package final class PackedConstants: Sendable {
  /// A constant and one of its forms. `format` and the constant determine the form's bytes.
  package struct Item: Sendable {
    /// Keeps the storage, whose identity is in the key, alive.
    package let source: Tensor
    package let format: String
    package let packed: Tensor
    /// Of the bytes as they were written; `nil` where that needs no check.
    package fileprivate(set) var fingerprint: Fingerprint?

    package init(source: Tensor, format: String, packed: Tensor, fingerprint: Fingerprint? = nil) {
      self.source = source
      self.format = format
      self.packed = packed
      self.fingerprint = fingerprint
    }
  }

  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let byteOffset: Int
    let elementType: ElementType
    let shape: Shape
    let format: String

    init(_ source: Tensor, _ format: String) {
      storage = ObjectIdentifier(source.storage)
      byteOffset = source.byteOffset
      elementType = source.elementType
      shape = source.shape
      self.format = format
    }
  }

  private struct State {
    var items: [Key: Item] = [:]
    /// Where constants lie that stay; `nil` if all do.
    var lastingStorages: Set<ObjectIdentifier>?
    var hasNews = false
  }

  private let state: Mutex<State>
  /// Threads that may check and make packed constants.
  package let threadCount: Int
  /// Whether kernels write their forms; where a plan is only measured, they take addresses and no memory.
  private let isWritten: Bool

  /// - Parameters:
  ///   - constants: Those that stay as long as this does. The forms of others, which a plan made for
  ///     itself, are left to that plan. `nil` if all stay.
  ///   - items: Forms that there are already.
  ///   - threadCount: Threads that check those, and may make others.
  ///   - isWritten: Whether kernels write their forms; no plan whose constants are not written may run.
  package init(
    of constants: [Tensor]? = nil, items: [Item] = [], threadCount: Int = 1, isWritten: Bool = true
  ) {
    var state = State()
    state.lastingStorages = constants.map { Set($0.map { ObjectIdentifier($0.storage) }) }
    for item in items {
      state.items[Key(item.source, item.format)] = item
      state.lastingStorages?.insert(ObjectIdentifier(item.packed.storage))
    }
    self.state = Mutex(state)
    self.threadCount = threadCount
    self.isWritten = isWritten
  }

  /// `source` in the form `format`, which has this type and shape, made by `make` the first time.
  package func packed(
    _ source: Tensor, format: String, elementType: ElementType, shape: Shape,
    make: () throws -> Tensor
  ) throws -> Tensor {
    let key = Key(source, format)
    if let item = state.withLock({ $0.items[key] }) {
      if item.packed.elementType == elementType, item.packed.shape == shape,
        item.packed.isAligned, try isSound(item)
      {
        state.withLock { $0.items[key]?.fingerprint = nil }
        return item.packed
      }
      state.withLock { $0.items[key] = nil }
    }
    let packed = try make()
    // What is needed from now on is the form.
    if isWritten { source.releasePages() }
    return state.withLock { state in
      if let item = state.items[key] { return item.packed }
      if let lasting = state.lastingStorages {
        guard lasting.contains(key.storage) else { return packed }
        state.lastingStorages?.insert(ObjectIdentifier(packed.storage))
      }
      state.items[key] = Item(source: source, format: format, packed: packed)
      state.hasNews = true
      return packed
    }
  }

  /// `source` in the form `format`, made the first time by `taskCount` calls of `pack`, on all threads.
  ///
  /// - Parameter pack: writes its part of the form; memory that none of the calls writes is 0
  package func packed(
    _ source: Tensor, format: String, elementType: ElementType, count: Int, taskCount: Int,
    pack: @escaping @Sendable (UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void
  ) throws -> Tensor {
    try packed(source, format: format, elementType: elementType, shape: [count]) {
      // Fresh pages are taken when they are written.
      let packed = try Tensor(zeros: elementType, shape: [count])
      guard isWritten else { return packed }
      let phase = PreparedKernel.Phase(taskCount: taskCount) { _, task in
        pack(source.baseAddress, task, packed.baseAddress)
      }
      try ThreadPool.shared.run([phase], .none, threads: threadCount)
      return packed
    }
  }

  private func isSound(_ item: Item) throws -> Bool {
    guard let fingerprint = item.fingerprint else { return true }
    return try item.packed.fingerprint(threads: threadCount) == fingerprint
  }

  /// All forms there are, but for damaged ones.
  package func soundItems() throws -> [Item] {
    try state.withLock { Array($0.items.values) }.filter { try isSound($0) }
  }

  /// Whether forms were made since the start.
  package var hasNews: Bool { state.withLock { $0.hasNews } }

  /// Bytes of all packed constants.
  package var byteCount: Int {
    state.withLock { $0.items.values.reduce(0) { $0 + $1.packed.byteCount } }
  }
}

extension Tensor {
  /// The fingerprint of the elements.
  package func fingerprint(threads: Int) throws -> Fingerprint {
    let count = Fingerprint.pieceCount(byteCount)
    let pieces = try ThreadPool.shared.map(count, threads: threads) { [self] piece in
      withUnsafeBytes { Fingerprint.hash(ofPiece: piece, of: $0) }
    }
    return Fingerprint(pieces: pieces, byteCount: byteCount)
  }
}
