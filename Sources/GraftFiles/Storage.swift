import CGraftMapping

/// The memory of tensors: heap memory, a mapped file, or memory with another owner.
///
/// Safe to share between threads while nobody writes; its creator may write until it is shared.
package final class Storage: @unchecked Sendable {
  /// The first byte. Heap memory is aligned to 64 bytes, mapped memory as in the file.
  package let baseAddress: UnsafeMutableRawPointer
  package let byteCount: Int
  /// Whether the bytes may be written.
  package let isWritable: Bool
  /// Whether the bytes change later: memory for intermediate values of many runs.
  package let isReused: Bool
  /// The mapped file as it was then; `nil` for other memory.
  package let file: FileIdentity?
  private let release: @Sendable (UnsafeMutableRawPointer, Int) -> Void

  /// The width of cache lines and AVX-512 vectors.
  package static let alignment = 64

  private init(
    baseAddress: UnsafeMutableRawPointer, byteCount: Int, isWritable: Bool,
    isReused: Bool = false, file: FileIdentity? = nil,
    release: @escaping @Sendable (UnsafeMutableRawPointer, Int) -> Void
  ) {
    self.baseAddress = baseAddress
    self.byteCount = byteCount
    self.isWritable = isWritable
    self.isReused = isReused
    self.file = file
    self.release = release
  }

  deinit { release(baseAddress, byteCount) }

  /// The memory of the machine; no allocation can be larger.
  package static let byteLimit: Int = {
    let (byteCount, overflow) = sysconf(Int32(_SC_PHYS_PAGES))
      .multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
    return overflow || byteCount <= 0 ? 1 << 48 : byteCount
  }()

  /// New heap memory, filled with zeros.
  ///
  /// - Throws: `GraftError` if the system does not have that much
  package static func heap(byteCount: Int, isReused: Bool = false) throws -> Storage {
    guard byteCount >= 0, byteCount <= byteLimit else {
      throw GraftError(.operatingSystem, "cannot allocate \(byteCount) bytes")
    }
    // Fresh pages come zeroed from the kernel; calloc knows which ones, posix_memalign does not.
    let slack = alignment
    guard let raw = calloc(1, byteCount + slack) else {
      throw GraftError(.operatingSystem, "cannot allocate \(byteCount) bytes")
    }
    let aligned = UnsafeMutableRawPointer(
      bitPattern: (UInt(bitPattern: raw) + UInt(slack) - 1) & ~(UInt(slack) - 1))!
    let rawAddress = UInt(bitPattern: raw)
    return Storage(
      baseAddress: aligned, byteCount: byteCount, isWritable: true, isReused: isReused
    ) { _, _ in
      free(UnsafeMutableRawPointer(bitPattern: rawAddress))
    }
  }

  /// Memory that `owner` keeps alive.
  package static func borrowed(
    _ bytes: UnsafeMutableRawBufferPointer, isWritable: Bool, owner: any AnyObject & Sendable
  ) -> Storage {
    let placeholder = UnsafeMutableRawPointer(bitPattern: alignment)!
    return Storage(
      baseAddress: bytes.baseAddress ?? placeholder, byteCount: bytes.count, isWritable: isWritable
    ) { _, _ in withExtendedLifetime(owner) {} }
  }

  /// Maps a whole file read-only. Pages are read on first access.
  ///
  /// Accessing pages of a file that was shortened raises SIGBUS; `graft_mapping_watch` turns that
  /// into a message.
  ///
  /// - Throws: `GraftError` if the file cannot be opened or mapped, or is not a regular file
  package static func mappedFile(path: String) throws -> Storage {
    try mappedFile(InputDescriptor(path), path: path)
  }

  /// Like ``mappedFile(path:)``, for an open file; `path` is for messages.
  package static func mappedFile(_ file: InputDescriptor, path: String) throws -> Storage {
    try withExtendedLifetime(file) { try mappedFile(descriptor: file.number, path: path) }
  }

  /// Like ``mappedFile(path:)``, for an open file; `path` is for messages.
  package static func mappedFile(descriptor: Int32, path: String) throws -> Storage {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw GraftError.opening(path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw GraftError(.noInput, "is not a regular file", places: [path])
    }
    let byteCount = Int(status.st_size)
    guard byteCount > 0 else { return try heap(byteCount: 0) }
    guard let base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      base != MAP_FAILED
    else { throw GraftError.reading(path) }
    let mapping = graft_mapping_add(base, byteCount)
    return Storage(
      baseAddress: base, byteCount: byteCount, isWritable: false, file: FileIdentity(status)
    ) { base, count in
      graft_mapping_remove(mapping)
      munmap(base, count)
    }
  }

  /// Releases the memory of the whole pages in a part of a mapped file; the next access reads them
  /// from the file again. Does nothing for other memory.
  package func releasePages(_ range: Range<Int>) {
    guard file != nil else { return }
    let page = Int(getpagesize())
    let start = (max(range.lowerBound, 0) + page - 1) / page * page
    let end = min(range.upperBound, byteCount) / page * page
    if start < end { madvise(baseAddress + start, end - start, MADV_DONTNEED) }
  }
}
