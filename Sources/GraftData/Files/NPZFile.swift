import CZip
import GraftFiles
import GraftTensor

/// Reads and writes NumPy's NPZ format: a ZIP archive of NPY arrays.
package enum NPZFile {
  /// The limit of all unpacked arrays together, in bytes.
  private static let byteLimit = 8 << 30

  /// The names of the arrays, in archive order; unpacks nothing.
  ///
  /// - Throws: `GraftError` if the file is missing or damaged
  package static func names(path: String) throws -> [String] {
    let bytes = try archiveBytes(path)
    return try withPlace(path) {
      let archive = try ZipArchive(bytes)
      return try (0..<archive.count).map { arrayName(try archive.member($0)) }
    }
  }

  /// The array with that name.
  ///
  /// - Throws: `GraftError` if the file is missing or damaged, or has no such array
  package static func read(
    path: String, name: String, allowsStrings: Bool = false
  ) throws -> Tensor {
    let arrays = try read(path: path, allowsStrings: allowsStrings) {
      $0.utf8.elementsEqual(name.utf8)
    }
    guard let array = arrays.first else {
      throw GraftError.badData("has no array '\(name)'").at(path)
    }
    return array.tensor
  }

  /// The arrays by name, in archive order.
  ///
  /// - Parameters:
  ///   - allowsStrings: whether elements may be strings
  ///   - isWanted: selects the arrays to unpack, by name
  /// - Throws: `GraftError` if the file is missing, damaged or of another kind, or the arrays are
  ///   too large together
  package static func read(
    path: String, allowsStrings: Bool = false, where isWanted: (String) -> Bool = { _ in true }
  ) throws -> [(name: String, tensor: Tensor)] {
    let bytes = try archiveBytes(path)
    return try withPlace(path) {
      let archive = try ZipArchive(bytes)
      let members = try (0..<archive.count).map { try archive.member($0) }
        .filter { isWanted(arrayName($0)) }
      let (byteCount, isTooLarge) = members.reduce((0, false)) { sum, member in
        let (total, overflow) = sum.0.addingReportingOverflow(member.byteCount)
        return (total, sum.1 || overflow)
      }
      // Members can share their bytes, and so have any total size.
      guard !isTooLarge, byteCount <= min(byteLimit, bytes.count * ZipArchive.ratioLimit) else {
        throw GraftError.badData("its arrays unpack to \(byteCount >> 20) MB, beyond the limit")
      }
      return try members.map { member in
        let storage = try archive.content(of: member)
        let tensor = try withPlace(member.name) {
          try NPYFile.read(storage, 0..<storage.byteCount, allowsStrings: allowsStrings)
        }
        return (arrayName(member), tensor)
      }
    }
  }

  /// - Throws: `GraftError` if the file is missing or of another kind
  private static func archiveBytes(_ path: String) throws -> FileBytes {
    if let kind = FileKind.recognize(path: path), ![.numPyArchive, .zipArchive].contains(kind) {
      throw kind.error(
        expected: "a NumPy archive (.npz)",
        advice: "Restore it, or write it again with numpy.savez"
      ).at(path)
    }
    return try FileBytes(mapping: path)
  }

  private static func arrayName(_ member: ZipArchive.Member) -> String {
    member.name.hasSuffix(".npy") ? String(member.name.dropLast(4)) : member.name
  }

  /// Writes the arrays, uncompressed like `numpy.savez`.
  ///
  /// - Throws: `GraftError` if two arrays have the same name, or the file cannot be written
  package static func write(_ arrays: [(name: String, tensor: Tensor)], path: String) throws {
    var names: Set<[UInt8]> = []
    for array in arrays where !names.insert(Array(array.name.utf8)).inserted {
      throw GraftError.badData("cannot hold two arrays named '\(array.name)'").at(path)
    }
    let file = try AtomicFile(path: path)
    // libzip writes no archive without members: this is the end of its directory.
    guard !arrays.isEmpty else {
      try file.write(Array("PK\u{5}\u{6}".utf8) + [UInt8](repeating: 0, count: 18))
      return try file.commit()
    }
    try file.fill { try write(arrays, toTemporary: $0, path: path) }
    try file.commit()
  }

  private static func write(
    _ arrays: [(name: String, tensor: Tensor)], toTemporary temporary: String, path: String
  ) throws {
    var code: Int32 = 0
    guard
      let archive = temporary.withFileName({ zip_open($0, ZIP_CREATE | ZIP_TRUNCATE, &code) })
    else {
      throw GraftError.writing(path)
    }
    do {
      // libzip reads headers and elements in place when it closes the archive.
      let parts = try arrays.map { array in
        try withPlace("array '\(array.name)'") { try NPYFile.parts(of: array.tensor) }
      }
      let headers = parts.map { part in
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: part.header.count)
        _ = memory.initialize(from: part.header)
        return memory
      }
      let tensors = parts.map(\.elements)
      defer { for header in headers { header.deallocate() } }
      for (array, (tensor, header)) in zip(arrays, zip(tensors, headers)) {
        let fragments = [
          zip_buffer_fragment_t(data: header.baseAddress, length: zip_uint64_t(header.count)),
          zip_buffer_fragment_t(
            data: tensor.baseAddress.assumingMemoryBound(to: UInt8.self),
            length: zip_uint64_t(tensor.byteCount)),
        ]
        guard
          let source = zip_source_buffer_fragment(
            archive, fragments, zip_uint64_t(tensor.byteCount > 0 ? 2 : 1), 0)
        else { throw failure(archive, path) }
        let index = zip_file_add(
          archive, "\(array.name).npy", source, zip_flags_t(ZIP_FL_ENC_UTF_8))
        guard index >= 0 else {
          zip_source_free(source)
          throw failure(archive, path)
        }
        zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_STORE, 0)
      }
      try withExtendedLifetime(tensors) {
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
