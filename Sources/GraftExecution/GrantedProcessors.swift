import CGraftKernels
import GraftTensor

/// The number of processors that this process may use.
///
/// It is limited by the affinity, and by the CPU quotas of the process's cgroup and all its
/// ancestors. Fractions are rounded up.
///
/// Source: <https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files> and
/// <https://docs.kernel.org/scheduler/sched-bwc.html>
package enum GrantedProcessors {
  /// - Parameters:
  ///   - affinity: the number of processors that the process may run on
  ///   - root: the folder that contains `proc` and `sys`
  package static func count(
    affinity: Int = Int(graft_cpu_affinity_count()), root: String = ""
  ) -> Int {
    let quotas = ControlGroups.around(controller: "cpu", root: root).compactMap(quota)
    let granted = quotas.min().map { Int($0.rounded(.up)) } ?? affinity
    return max(1, min(affinity, granted))
  }

  /// The processors that a cgroup may use; `nil` without a limit.
  private static func quota(_ group: ControlGroups.Group) -> Double? {
    if group.isUnified {
      // Quota and period; the quota may be `max`.
      guard let words = group.words("cpu.max"), words.count == 2, let quota = Double(words[0]),
        let period = Double(words[1])
      else { return nil }
      return processors(quota, period)
    }
    // One file each; the quota may be -1.
    guard let quota = group.number("cpu.cfs_quota_us"),
      let period = group.number("cpu.cfs_period_us")
    else { return nil }
    return processors(quota, period)
  }

  private static func processors(_ quota: Double, _ period: Double) -> Double? {
    let count = quota / period
    return quota > 0 && period > 0 && count < 1e6 ? count : nil
  }
}
