import GraftFiles
import GraftTensor
import Synchronization

/// Constants in the layouts that kernels need, made once and shared by all plans of a model.
///
/// A compiled model provides some. Each of them is checked before its first use, and made again if
/// it is damaged or has a wrong size.
package final class PackedConstants: Sendable {
  /// A constant in one format. `format` and the constant determine the bytes.
  package struct Item: Sendable {
    /// Keeps the storage alive, whose identity is part of the key.
    package let source: Tensor
    package let format: String
    package let packed: Tensor
    /// The fingerprint of the bytes as written; `nil` if no check is needed.
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
    /// The storages of permanent constants; `nil` if all are permanent.
    var lastingStorages: Set<ObjectIdentifier>?
    var hasAdditions = false
  }

  private let state: Mutex<State>
  /// The number of threads for checking and packing constants.
  package let threadCount: Int
  /// Whether kernels write packed constants; a plan that is only measured uses addresses without
  /// memory.
  private let isWritten: Bool

  /// - Parameters:
  ///   - constants: the permanent constants, which live as long as this object. Others are
  ///     temporaries of a plan, and so are their packed forms. `nil` if all are permanent.
  ///   - items: existing packed constants
  ///   - threadCount: the number of threads for checking and packing
  ///   - isWritten: whether kernels write packed constants; if not, plans must not run
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

  /// Makes further constants permanent: those of a body.
  package func keep(_ constants: [Tensor]) {
    state.withLock { state in
      for constant in constants {
        state.lastingStorages?.insert(ObjectIdentifier(constant.storage))
      }
    }
  }

  /// `source` in the layout `format`, with this type and shape; `make` makes it on first use.
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
    // From now on only the packed constant is needed.
    if isWritten { source.releasePages() }
    return state.withLock { state in
      if let item = state.items[key] { return item.packed }
      if let lasting = state.lastingStorages {
        guard lasting.contains(key.storage) else { return packed }
        state.lastingStorages?.insert(ObjectIdentifier(packed.storage))
      }
      state.items[key] = Item(source: source, format: format, packed: packed)
      state.hasAdditions = true
      return packed
    }
  }

  /// `source` in the layout `format`; on first use, `taskCount` calls of `pack` make it on all
  /// threads.
  ///
  /// - Parameter pack: writes its part of the packed constant, whose memory is zero initially
  package func packed(
    _ source: Tensor, format: String, elementType: ElementType, count: Int, taskCount: Int,
    pack: @escaping @Sendable (UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void
  ) throws -> Tensor {
    try packed(source, format: format, elementType: elementType, shape: [count]) {
      // Pages are allocated when they are written.
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

  /// All packed constants except damaged ones.
  package func soundItems() throws -> [Item] {
    try state.withLock { Array($0.items.values) }.filter { try isSound($0) }
  }

  /// Whether packed constants were added since creation.
  package var hasAdditions: Bool { state.withLock { $0.hasAdditions } }

  /// The size of all packed constants.
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
