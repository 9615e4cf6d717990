import CGraftShims
import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A group of an HDF5 file that is being written.
final class HDF5WritableGroup {
  fileprivate let identifier: Int64

  fileprivate init(identifier: Int64) { self.identifier = identifier }

  deinit { graft_hdf5_close_object(identifier) }

  func addGroup(_ name: String) throws -> HDF5WritableGroup {
    let group = graft_hdf5_create_group(identifier, name)
    guard group >= 0 else { throw HDF5File.writingError("group '\(name)'") }
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
      throw HDF5File.writingError("attribute '\(name)'")
    }
  }

  /// Writes a tensor of floats as a data set; groups in the name are made.
  func write(_ tensor: Tensor, dataset name: String) throws {
    precondition(tensor.elementType == .float)
    let tensor = tensor.isAligned ? tensor : try tensor.copied()
    let extents = tensor.shape.map { UInt64($0) }
    let values = UnsafeRawPointer(tensor.baseAddress).assumingMemoryBound(to: Float.self)
    guard
      graft_hdf5_write_floats(identifier, name, Int32(extents.count), extents, values) >= 0
    else { throw HDF5File.writingError("data set '\(name)'") }
  }
}

extension HDF5File {
  /// Writes a file, which appears under its name when it is complete.
  ///
  /// - Throws: `GraftError` if it cannot be written, and whatever `body` throws.
  static func write(path: String, _ body: (HDF5WritableGroup) throws -> Void) throws {
    let file = try AtomicFile(path: path)
    try withPlace(path) {
      try file.fill { temporaryPath in
        try withLibrary {
          let identifier = graft_hdf5_create_file(temporaryPath)
          guard identifier >= 0 else { throw writingError("the file") }
          defer { graft_hdf5_close_file(identifier) }
          var address: UInt64 = 0
          let root = graft_hdf5_open_root(identifier, &address)
          guard root >= 0 else { throw writingError("the root group") }
          try body(HDF5WritableGroup(identifier: root))
          guard graft_hdf5_finish_file(identifier) >= 0 else { throw writingError("the file") }
        }
      }
    }
    try file.commit()
  }

  fileprivate static func writingError(_ what: String) -> GraftError {
    GraftError(.inputOutput, error("\(what) cannot be written").message)
  }
}
