import CGraftShims
import GraftTensor

/// An open group, data set or named type of an HDF5 file.
///
/// libhdf5 is called by one thread at a time only: see ``HDF5File/withFile(path:_:)``.
final class HDF5Object {
  enum Kind {
    case group
    case dataset
    case other
  }

  /// A name within a group, and what it leads to.
  struct Link {
    enum Kind {
      case hard
      case soft
      case external
      case other
    }

    var name: String
    var kind: Kind
  }

  let kind: Kind
  /// Where the object lies in the file; the same for all links to it.
  let address: UInt64
  private let identifier: Int64

  private init(identifier: Int64, kind: Kind, address: UInt64) {
    self.identifier = identifier
    self.kind = kind
    self.address = address
  }

  deinit { graft_hdf5_close_object(identifier) }

  static func root(file: Int64) throws -> HDF5Object {
    var address: UInt64 = 0
    let identifier = graft_hdf5_open_root(file, &address)
    guard identifier >= 0 else { throw HDF5File.error("the root group cannot be opened") }
    return HDF5Object(identifier: identifier, kind: .group, address: address)
  }

  /// The data set at an address that ``address`` gave.
  static func dataset(file: Int64, address: UInt64) throws -> HDF5Object {
    let identifier = graft_hdf5_open_address(file, address)
    guard identifier >= 0 else { throw HDF5File.error("cannot be opened") }
    return HDF5Object(identifier: identifier, kind: .dataset, address: address)
  }

  /// The object at `path` below this group; `nil` if it cannot be opened.
  func member(_ path: String) -> HDF5Object? {
    var address: UInt64 = 0
    var kind: Int32 = 0
    let opened = graft_hdf5_open_member(identifier, path, &kind, &address)
    guard opened >= 0 else { return nil }
    let kinds: [Int: Kind] = [GRAFT_HDF5_GROUP: .group, GRAFT_HDF5_DATASET: .dataset]
    return HDF5Object(identifier: opened, kind: kinds[Int(kind)] ?? .other, address: address)
  }

  /// The links of a group, in the order of their names.
  ///
  /// - Throws: `GraftError` if the group is damaged, or has more than `limit` links.
  func links(limit: Int) throws -> [Link] {
    final class Collector {
      var links: [Link] = []
      var limit: Int
      var isOverfull: Bool { links.count > limit }
      init(limit: Int) { self.limit = limit }
    }
    let collector = Collector(limit: limit)
    let status = graft_hdf5_each_link(
      identifier,
      { context, name, kind in
        guard let context, let name else { return 1 }
        let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
        let kinds: [Int: Link.Kind] = [
          GRAFT_HDF5_HARD_LINK: .hard, GRAFT_HDF5_SOFT_LINK: .soft,
          GRAFT_HDF5_EXTERNAL_LINK: .external,
        ]
        collector.links.append(
          Link(name: String(cString: name), kind: kinds[Int(kind)] ?? .other))
        return collector.isOverfull ? 1 : 0
      }, Unmanaged.passUnretained(collector).toOpaque())
    guard status >= 0 else { throw HDF5File.error("the group's links cannot be read") }
    guard !collector.isOverfull else { throw GraftError.badData("has too many objects") }
    return collector.links
  }

  /// The strings of an attribute; `nil` if there is none of that name, or if it holds something
  /// else.
  ///
  /// - Throws: `GraftError` if it is damaged, or takes more than `budget` bytes.
  func strings(attribute name: String, budget: Int) throws -> [String]? {
    var text: UnsafeMutablePointer<CChar>?
    var byteCount = 0
    var count = 0
    let status = graft_hdf5_read_strings(identifier, name, budget, &text, &byteCount, &count)
    defer { graft_hdf5_free(text) }
    guard status >= 0 else { throw HDF5File.error("attribute '\(name)' cannot be read") }
    guard status > 0 else { return nil }
    let bytes = UnsafeRawBufferPointer(start: text, count: byteCount)
    return bytes.split(separator: 0, maxSplits: count, omittingEmptySubsequences: false)
      .prefix(count).map { String(decoding: $0, as: UTF8.self) }
  }

  func description() throws -> graft_hdf5_dataset {
    var description = graft_hdf5_dataset()
    guard graft_hdf5_describe(identifier, &description) >= 0 else {
      throw HDF5File.error("the data set is damaged")
    }
    return description
  }

  /// Reads all elements of a data set, little-endian.
  func read(into destination: UnsafeMutableRawPointer) throws {
    guard graft_hdf5_read(identifier, destination) >= 0 else {
      throw HDF5File.error("the data cannot be read")
    }
  }
}
