import CZip
import Foundation
import GraftTensor

/// Reads and writes NumPy's NPZ format: a ZIP archive of NPY arrays.
package enum NPZFile {
  /// Bytes of one unpacked array; larger ones are refused.
  private static let arrayLimit: UInt64 = 8 << 30
  /// Deflate cannot expand data by more than about 1,032 to 1.
  private static let ratioLimit: UInt64 = 1100

  /// The arrays by name, in the order of the archive.
  ///
  /// - Throws: `GraftError` if the file is missing or damaged.
  package static func read(path: String) throws -> [(name: String, tensor: Tensor)] {
    if let kind = FileKind.recognize(path: path), ![.numPyArchive, .zipArchive].contains(kind) {
      throw kind.error(expected: "a NumPy archive (.npz)").at(path)
    }
    let archive = try open(InputDescriptor(path), path)
    defer { zip_discard(archive) }
    return try withPlace(path) {
      try (0..<zip_get_num_entries(archive, 0)).map { index in
        var status = zip_stat_t()
        guard zip_stat_index(archive, zip_uint64_t(index), 0, &status) == 0,
          let rawName = status.name
        else { throw GraftError.badData("has a damaged directory") }
        let name = String(cString: rawName)
        return try withPlace(name) {
          let storage = try unpack(archive, zip_uint64_t(index), status)
          let tensor = try NPYFile.read(storage, 0..<storage.byteCount)
          return (name.hasSuffix(".npy") ? String(name.dropLast(4)) : name, tensor)
        }
      }
    }
  }

  private static func open(_ file: InputDescriptor, _ path: String) throws -> OpaquePointer {
    // The archive closes its descriptor itself.
    let descriptor = dup(file.number)
    guard descriptor >= 0 else { throw GraftError.opening(path) }
    var code: Int32 = 0
    guard let archive = zip_fdopen(descriptor, 0, &code) else {
      close(descriptor)
      var error = zip_error_t()
      zip_error_init_with_code(&error, code)
      defer { zip_error_fini(&error) }
      throw GraftError(
        code == ZIP_ER_MEMORY ? .operatingSystem : .badData,
        "is not a sound ZIP archive: \(String(cString: zip_error_strerror(&error)))",
        places: [path])
    }
    return archive
  }

  private static func unpack(
    _ archive: OpaquePointer, _ index: zip_uint64_t, _ status: zip_stat_t
  ) throws -> Storage {
    guard status.size <= arrayLimit,
      status.size <= status.comp_size.multipliedReportingOverflow(by: ratioLimit).partialValue
    else { throw GraftError.badData("declares \(status.size) bytes, which cannot be") }
    guard let file = zip_fopen_index(archive, index, 0) else {
      throw GraftError.badData(String(cString: zip_strerror(archive)))
    }
    defer { zip_fclose(file) }
    let storage = try Storage.heap(byteCount: Int(status.size))
    let count = zip_fread(file, storage.baseAddress, status.size)
    // The checksum is compared when the end is read.
    var beyond: UInt8 = 0
    guard count == Int64(status.size), zip_fread(file, &beyond, 1) == 0 else {
      throw GraftError.badData("is cut off or damaged")
    }
    return storage
  }

  /// Writes the arrays, uncompressed as `numpy.savez` does.
  ///
  /// - Throws: `GraftError` if two arrays have the same name, or the file cannot be written.
  package static func write(_ arrays: [(name: String, tensor: Tensor)], path: String) throws {
    var names: Set<[UInt8]> = []
    for array in arrays where !names.insert(Array(array.name.utf8)).inserted {
      throw GraftError.badData("cannot hold two arrays named '\(array.name)'").at(path)
    }
    let file = try AtomicFile(path: path)
    try file.fill { try write(arrays, toTemporary: $0, path: path) }
    try file.commit()
  }

  private static func write(
    _ arrays: [(name: String, tensor: Tensor)], toTemporary temporary: String, path: String
  ) throws {
    var code: Int32 = 0
    guard let archive = zip_open(temporary, ZIP_CREATE | ZIP_TRUNCATE, &code) else {
      throw GraftError.writing(path)
    }
    do {
      // libzip reads headers and elements where they lie when it closes the archive.
      let headers = try arrays.map { NSData(data: try NPYFile.header(of: $0.tensor)) }
      for (array, header) in zip(arrays, headers) {
        let fragments = [
          zip_buffer_fragment_t(
            data: UnsafeMutablePointer(
              mutating: header.bytes.assumingMemoryBound(to: UInt8.self)),
            length: zip_uint64_t(header.length)),
          zip_buffer_fragment_t(
            data: array.tensor.baseAddress.assumingMemoryBound(to: UInt8.self),
            length: zip_uint64_t(array.tensor.byteCount)),
        ]
        guard
          let source = zip_source_buffer_fragment(
            archive, fragments, zip_uint64_t(array.tensor.byteCount > 0 ? 2 : 1), 0)
        else { throw failure(archive, path) }
        let index = zip_file_add(
          archive, "\(array.name).npy", source, zip_flags_t(ZIP_FL_ENC_UTF_8))
        guard index >= 0 else {
          zip_source_free(source)
          throw failure(archive, path)
        }
        zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_STORE, 0)
      }
      try withExtendedLifetime((headers, arrays)) {
        guard zip_close(archive) == 0 else { throw failure(archive, path) }
      }
    } catch {
      zip_discard(archive)
      throw error
    }
  }

  private static func failure(_ archive: OpaquePointer, _ path: String) -> GraftError {
    GraftError(
      .inputOutput, "cannot be written: \(String(cString: zip_strerror(archive)))", places: [path])
  }
}
