import GraftFiles
import Synchronization

/// The memory that this process can still use without swapping or being killed.
///
/// It is limited by what the kernel reports, and by the limits minus the usage of the process's
/// cgroup and all its ancestors. Reclaimable file caches do not count as used.
///
/// Source: `MemAvailable` in <https://man7.org/linux/man-pages/man5/proc_meminfo.5.html>;
/// `memory.max`, `memory.current` and `memory.stat` in
/// <https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files>; their older forms
/// in <https://docs.kernel.org/admin-guide/cgroup-v1/memory.html>
package enum AvailableMemory {
  private static let recent = Mutex<(time: UInt64, byteCount: Int)?>(nil)
  /// How long a value is reused, in nanoseconds: reading it takes 0.1 ms, too long for every short
  /// run.
  private static let lifetime: UInt64 = 20_000_000

  /// Like ``byteCount(root:)``, but up to 20 milliseconds old.
  package static func recentByteCount() -> Int {
    let time = SystemTime.monotonic
    return recent.withLock { recent in
      if let recent, time - recent.time < lifetime { return recent.byteCount }
      let byteCount = byteCount()
      recent = (time, byteCount)
      return byteCount
    }
  }

  /// - Parameter root: the folder that contains `proc` and `sys`
  package static func byteCount(root: String = "") -> Int {
    let groups = ControlGroups.around(controller: "memory", root: root)
    let left = groups.compactMap(left) + [machine(root)].compactMap { $0 }
    return max(0, left.min() ?? Storage.byteLimit)
  }

  private static func machine(_ root: String) -> Int? {
    guard let text = FileSystem.kernelFile("\(root)/proc/meminfo") else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
      let words = line.split { $0.isWhitespace }
      guard words.count == 3, let kilobytes = Int(words[1]) else { return nil }
      let (bytes, overflow) = kilobytes.multipliedReportingOverflow(by: 1024)
      return overflow ? nil : bytes
    }
    return nil
  }

  /// The memory that a cgroup has left; `nil` if it has no limit.
  private static func left(_ group: ControlGroups.Group) -> Int? {
    let (limitFile, usageFile, cacheKeys) =
      group.isUnified
      ? ("memory.max", "memory.current", ["inactive_file", "active_file", "slab_reclaimable"])
      : (
        "memory.limit_in_bytes", "memory.usage_in_bytes",
        ["total_inactive_file", "total_active_file"]
      )
    // Without a limit, version 2 says `max`, and version 1 has a number larger than any memory.
    guard let limit = group.number(limitFile).flatMap(Int.init(exactly:)),
      (0...Storage.byteLimit).contains(limit),
      let usage = group.number(usageFile).flatMap(Int.init(exactly:)), usage >= 0
    else { return nil }
    var cached = 0
    let words = group.words("memory.stat") ?? []
    for key in cacheKeys {
      guard let place = words.firstIndex(of: Substring(key)), place + 1 < words.count,
        let count = Int(words[place + 1])
      else { continue }
      cached = min(usage, cached.addingReportingOverflow(max(0, count)).partialValue)
    }
    return max(0, limit - (usage - max(0, cached)))
  }
}
