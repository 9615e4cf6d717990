import CGraftShims
import GraftFiles
import GraftTensor
import Synchronization

/// A group of an HDF5 file that is being written.
final class HDF5WritableGroup {
  fileprivate let identifier: Int64

  fileprivate init(identifier: Int64) { self.identifier = identifier }

  deinit { graft_hdf5_close_group(identifier) }

  func addGroup(_ name: String) throws -> HDF5WritableGroup {
    let group = graft_hdf5_create_group(identifier, name)
    guard group >= 0 else { throw HDF5Library.error("group '\(name)'") }
    return HDF5WritableGroup(identifier: group)
  }

  func write(_ text: String, attribute name: String) throws {
    try write([text], count: -1, attribute: name)
  }

  func write(_ texts: [String], attribute name: String) throws {
    try write(texts, count: texts.count, attribute: name)
  }

  private func write(_ texts: [String], count: Int, attribute name: String) throws {
    let copies = texts.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer<CChar>($0) }
    guard graft_hdf5_write_strings(identifier, name, pointers, count) >= 0 else {
      throw HDF5Library.error("attribute '\(name)'")
    }
  }

  /// Writes a tensor of floats as a dataset; creates the groups in its name.
  func write(_ tensor: Tensor, dataset name: String) throws {
    precondition(tensor.elementType == .float)
    let tensor = tensor.isAligned ? tensor : try tensor.copied()
    let extents = tensor.shape.map { UInt64($0) }
    let values = UnsafeRawPointer(tensor.baseAddress).assumingMemoryBound(to: Float.self)
    guard
      graft_hdf5_write_floats(identifier, name, Int32(extents.count), extents, values) >= 0
    else { throw HDF5Library.error("dataset '\(name)'") }
  }
}

/// libhdf5, used only for writing.
enum HDF5Library {
  private static let library = Mutex<Void>(())

  /// Writes a file, which appears under its name when it is complete. Calls are serialized.
  ///
  /// - Throws: `GraftError` if it cannot be written, and any error of `body`
  static func write(path: String, _ body: (HDF5WritableGroup) throws -> Void) throws {
    let file = try AtomicFile(path: path)
    try withPlace(path) {
      try file.fill { temporaryPath in
        try library.withLock { _ throws in
          guard graft_hdf5_prepare() >= 0 else {
            throw GraftError(.unavailable, "libhdf5 cannot be initialized\(reason())")
          }
          let identifier = temporaryPath.withFileName { graft_hdf5_create_file($0) }
          guard identifier >= 0 else { throw error("the file") }
          defer { graft_hdf5_close_file(identifier) }
          let root = graft_hdf5_open_root(identifier)
          guard root >= 0 else { throw error("the root group") }
          try body(HDF5WritableGroup(identifier: root))
          guard graft_hdf5_finish_file(identifier) >= 0 else { throw error("the file") }
        }
      }
    }
    try file.commit()
  }

  /// An error with libhdf5's description of its last failure on this thread.
  fileprivate static func error(_ what: String) -> GraftError {
    GraftError(.inputOutput, "\(what) cannot be written\(reason())")
  }

  private static func reason() -> String {
    var text = [CChar](repeating: 0, count: 256)
    graft_hdf5_take_error(&text, text.count)
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return bytes.isEmpty ? "" : " (\(String(decoding: bytes, as: UTF8.self)))"
  }
}
