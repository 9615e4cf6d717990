import Foundation
import GraftFiles
import GraftTensor
import TestSupport
import Testing

/// Memory that is left, in made-up machines and trees of cgroups.
@Suite struct AvailableMemoryTests {
  private func byteCount(_ files: [String: String]) throws -> Int {
    let folder = try TemporaryFolder()
    for (path, text) in files { try folder.write(path, text: text) }
    return AvailableMemory.byteCount(root: folder.path)
  }

  private let machine = [
    "proc/meminfo": "MemTotal:   4000000 kB\nMemFree: 10 kB\nMemAvailable:   1000000 kB\n"
  ]

  @Test func theMachineSaysWhatIsFree() throws {
    #expect(try byteCount(machine) == 1_024_000_000)
    #expect((1...Storage.byteLimit).contains(AvailableMemory.byteCount()))
    #expect(try byteCount([:]) == Storage.byteLimit)
  }

  @Test func theNarrowestOfNestedGroupsCounts() throws {
    var files = machine
    files["proc/self/cgroup"] = "0::/outer/inner\n"
    files["sys/fs/cgroup/memory.max"] = "max\n"
    files["sys/fs/cgroup/outer/memory.max"] = "900000000\n"
    files["sys/fs/cgroup/outer/memory.current"] = "600000000\n"
    files["sys/fs/cgroup/outer/inner/memory.max"] = "800000000\n"
    files["sys/fs/cgroup/outer/inner/memory.current"] = "100000000\n"
    #expect(try byteCount(files) == 300_000_000)
    // Cached files can be dropped.
    files["sys/fs/cgroup/outer/memory.stat"] =
      "anon 1\ninactive_file 50000000\nactive_file 190000000\nslab_reclaimable 10000000\n"
    #expect(try byteCount(files) == 550_000_000)
    files["sys/fs/cgroup/outer/inner/memory.current"] = "790000000\n"
    #expect(try byteCount(files) == 10_000_000)
    files["sys/fs/cgroup/outer/inner/memory.current"] = "890000000\n"
    #expect(try byteCount(files) == 0)
  }

  @Test(arguments: ["memory", "cpuset,memory"]) func firstVersionIsKnown(folder: String) throws {
    var files = machine
    files["proc/self/cgroup"] = "5:\(folder):/a/b\n4:cpu,cpuacct:/c\n0::/\n"
    files["sys/fs/cgroup/\(folder)/memory.limit_in_bytes"] = "9223372036854771712\n"
    files["sys/fs/cgroup/\(folder)/memory.usage_in_bytes"] = "5000\n"
    files["sys/fs/cgroup/\(folder)/a/memory.limit_in_bytes"] = "400000000\n"
    files["sys/fs/cgroup/\(folder)/a/memory.usage_in_bytes"] = "300000000\n"
    files["sys/fs/cgroup/\(folder)/a/memory.stat"] =
      "inactive_file 1\ntotal_inactive_file 50000000\n"
    #expect(try byteCount(files) == 150_000_000)
  }

  @Test(arguments: ["", "max", "-1", "1e300", "a b", "nan"])
  func nonsenseIsNoLimit(text: String) throws {
    var files = machine
    files["sys/fs/cgroup/memory.max"] = text
    files["sys/fs/cgroup/memory.current"] = "1"
    #expect(try byteCount(files) == 1_024_000_000)
  }
}
