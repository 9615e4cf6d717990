import Foundation
import GraftExecution
import TestSupport
import Testing

/// Counting processors in made-up trees of cgroups.
@Suite struct GrantedProcessorsTests {
  /// Processors counted with these files, of 16 that affinity allows.
  private func count(_ files: [String: String]) throws -> Int {
    let folder = try TemporaryFolder()
    for (path, text) in files { try folder.write(path, text: text) }
    return GrantedProcessors.count(affinity: 16, root: folder.path)
  }

  @Test func affinityAloneCounts() throws {
    #expect(try count([:]) == 16)
    #expect(GrantedProcessors.count() >= 1)
  }

  @Test func theNarrowestQuotaOfNestedGroupsCounts() throws {
    let files = [
      "proc/self/cgroup": "0::/outer/inner\n",
      "sys/fs/cgroup/cpu.max": "max 100000\n",
      "sys/fs/cgroup/outer/cpu.max": "350000 100000\n",
      "sys/fs/cgroup/outer/inner/cpu.max": "800000 100000\n",
    ]
    #expect(try count(files) == 4)
    var narrow = files
    narrow["sys/fs/cgroup/outer/inner/cpu.max"] = "50000 100000\n"
    #expect(try count(narrow) == 1)
  }

  @Test func aNameSpaceOfItsOwnHasTheQuotaAtItsRoot() throws {
    let quota = ["sys/fs/cgroup/cpu.max": "200000 100000\n"]
    #expect(try count(quota) == 2)
    for path in ["/", "/../../elsewhere", "/docker/0123/not/mounted/here"] {
      #expect(try count(quota.merging(["proc/self/cgroup": "0::\(path)\n"]) { $1 }) == 2)
    }
  }

  @Test(arguments: ["cpu,cpuacct", "cpu"]) func firstVersionIsKnown(folder: String) throws {
    let files = [
      "proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a\n0::/\n",
      "sys/fs/cgroup/\(folder)/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/\(folder)/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/\(folder)/a/cpu.cfs_quota_us": "250000\n",
      "sys/fs/cgroup/\(folder)/a/cpu.cfs_period_us": "50000\n",
      "sys/fs/cgroup/\(folder)/a/b/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/\(folder)/a/b/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try count(files) == 5)
  }

  @Test(arguments: ["", "max", "a b", "-1 0", "0 0", "1e300 1e-300", "100000 100000 1"])
  func nonsenseIsNoQuota(text: String) throws {
    #expect(try count(["sys/fs/cgroup/cpu.max": text]) == 16)
  }
}
