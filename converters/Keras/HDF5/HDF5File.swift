import CGraftShims
import GraftTensor
import Synchronization

/// An HDF5 file, opened for reading through libhdf5.
///
/// Format: <https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html>
struct HDF5File: ~Copyable {
  private let identifier: Int64

  private init(path: String) throws {
    identifier = graft_hdf5_open_file(path)
    guard identifier >= 0 else { throw HDF5File.error("is no readable HDF5 file") }
  }

  deinit { graft_hdf5_close_file(identifier) }

  /// Opens the file at `path` while `body` runs; nobody else calls libhdf5 meanwhile.
  ///
  /// - Throws: `GraftError` if it is no HDF5 file, and whatever `body` throws.
  static func withFile<Result>(
    path: String, _ body: (borrowing HDF5File) throws -> Result
  ) throws -> Result {
    try withLibrary {
      let file = try HDF5File(path: path)
      return try body(file)
    }
  }

  /// Runs `body` while nobody else calls libhdf5.
  static func withLibrary<Result>(_ body: () throws -> Result) throws -> Result {
    try library.withLock { _ throws in
      guard graft_hdf5_prepare() >= 0 else {
        throw GraftError(.unavailable, "libhdf5 cannot be set up\(reason())")
      }
      return try body()
    }
  }

  func root() throws -> HDF5Object { try HDF5Object.root(file: identifier) }

  /// The data set at an address that ``HDF5Object/address`` gave.
  func dataset(at address: UInt64) throws -> HDF5Object {
    try HDF5Object.dataset(file: identifier, address: address)
  }

  /// `message`, with what libhdf5 says about its last failure on this thread.
  static func error(_ message: String) -> GraftError { .badData(message + reason()) }

  private static func reason() -> String {
    var text = [CChar](repeating: 0, count: 256)
    graft_hdf5_take_error(&text, text.count)
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return bytes.isEmpty ? "" : " (\(String(decoding: bytes, as: UTF8.self)))"
  }

  private static let library = Mutex<Void>(())

  /// Whether a file begins as HDF5 files do: with the signature at 0, 512, 1024 and so on.
  static func hasSignature(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
    var offset = 0
    while offset <= bytes.count - signature.count {
      if bytes[offset..<offset + signature.count].elementsEqual(signature) { return true }
      offset = offset == 0 ? 512 : offset * 2
    }
    return false
  }
}
