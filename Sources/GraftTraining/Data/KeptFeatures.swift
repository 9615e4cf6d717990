import GraftFiles

/// Memory for the features of all images: the heap, or above a limit a mapped file without a name.
final class KeptFeatures {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let isMapped: Bool
  private let elementCounts: [Int]
  /// The offset of each value's rows, in bytes.
  private let offsets: [Int]

  /// - Throws: `GraftError` if there is not enough memory or disk space
  init(itemCount: Int, elementCounts: [Int], folder: String?, memoryLimit: Int) throws {
    self.elementCounts = elementCounts
    var offset = 0
    var offsets: [Int] = []
    for count in elementCounts {
      offsets.append(offset)
      let (bytes, overflow) = (count * MemoryLayout<Float>.size).multipliedReportingOverflow(
        by: itemCount)
      let (end, endOverflows) = offset.addingReportingOverflow(bytes)
      guard !overflow, !endOverflows else {
        throw GraftError(.operatingSystem, "the features of \(itemCount) images are too large")
      }
      offset = end
    }
    self.offsets = offsets
    byteCount = max(1, offset)
    isMapped = byteCount > memoryLimit
    if isMapped {
      base = try KeptFeatures.mapFile(
        byteCount: byteCount, folder: folder ?? FileSystem.environmentVariable("TMPDIR") ?? "/tmp")
    } else {
      let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
      guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0),
        memory != MAP_FAILED
      else { throw GraftError(.operatingSystem, "cannot allocate \(byteCount) bytes") }
      base = memory
    }
  }

  deinit { munmap(base, byteCount) }

  /// Reserves the blocks now: a full disk is an error here instead of a signal later.
  private static func mapFile(byteCount: Int, folder: String) throws -> UnsafeMutableRawPointer {
    let prefix = "\(folder)/graft-features-"
    guard let (descriptor, path) = FileSystem.makeTemporaryFile(prefix: prefix) else {
      throw GraftError.system(.cannotCreate, "cannot create a file for features", folder)
    }
    FileSystem.remove(path)
    defer { close(descriptor) }
    let status = posix_fallocate(descriptor, 0, byteCount)
    guard status == 0 else {
      throw GraftError.system(
        .inputOutput, "not enough disk space for \(byteCount >> 20) MB of features", folder, status,
        hint: "Free space, use another folder with --output, or use --no-feature-cache")
    }
    guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      memory != MAP_FAILED
    else { throw GraftError(.operatingSystem, "cannot map a file of \(byteCount) bytes") }
    return memory
  }

  /// The features of an image.
  func row(_ item: Int, of value: Int) -> UnsafeMutablePointer<Float> {
    (base + offsets[value]).assumingMemoryBound(to: Float.self) + item * elementCounts[value]
  }
}
