import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The child's side of ``HDF5ReaderProcess``.
enum HDF5ReaderChild {
  static func run() -> Never {
    let answer: WeightsAnswer
    do {
      answer = WeightsAnswer(try listing())
    } catch let error as GraftError {
      answer = WeightsAnswer(error)
    } catch {
      answer = WeightsAnswer(GraftError(.software, "\(error)"))
    }
    send(answer.json())
    // Not through exit handlers: libhdf5's would clean up after a file that may be damaged.
    _exit(0)
  }

  private static func listing() throws -> WeightsListing {
    var status = stat()
    guard fstat(HDF5ReaderProcess.fileDescriptor, &status) == 0 else {
      throw GraftError(.software, "the reader was started without a file")
    }
    let fileByteCount = Int(status.st_size)
    setLimits(fileByteCount: fileByteCount)
    return try WeightsReader.read(
      path: "/proc/self/fd/\(HDF5ReaderProcess.fileDescriptor)", fileByteCount: fileByteCount,
      makeBuffer: decodedBuffer)
  }

  /// Maps the file for decoded elements, which the parent maps as well.
  private static func decodedBuffer(byteCount: Int) throws -> UnsafeMutableRawPointer {
    let descriptor = HDF5ReaderProcess.decodedDescriptor
    guard ftruncate(descriptor, byteCount) == 0,
      posix_fallocate(descriptor, 0, byteCount) == 0,
      let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      base != MAP_FAILED
    else {
      throw GraftError(
        .operatingSystem, "no room for \(byteCount) bytes of decoded weights",
        hint: "Point TMPDIR at a folder with more space")
    }
    return base
  }

  private static func setLimits(fileByteCount: Int) {
    let slack = 128 << 20
    let decoded = HDF5Limits(fileByteCount: fileByteCount).decodedByteCount
    let memory = addressSpaceByteCount() + decoded + slack
    setLimit(Int32(RLIMIT_AS.rawValue), memory)
    setLimit(Int32(RLIMIT_CPU.rawValue), 10 + fileByteCount / 4_000_000)
    setLimit(Int32(RLIMIT_FSIZE.rawValue), decoded + slack)
    setLimit(Int32(RLIMIT_CORE.rawValue), 0)
  }

  private static func setLimit(_ resource: Int32, _ value: Int) {
    var limit = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value))
    setrlimit(__rlimit_resource_t(UInt32(resource)), &limit)
  }

  /// What the process has mapped already, before it reads anything.
  private static func addressSpaceByteCount() -> Int {
    var text = [UInt8](repeating: 0, count: 64)
    let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 1 << 32 }
    defer { close(descriptor) }
    let count = read(descriptor, &text, text.count)
    let pages = text.prefix(max(0, count)).prefix { $0 != UInt8(ascii: " ") }
    return (Int(String(decoding: pages, as: UTF8.self)) ?? 1 << 20) * Int(getpagesize())
  }

  private static func send(_ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        write(STDOUT_FILENO, $0.baseAddress, $0.count)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      done += count
    }
  }
}
