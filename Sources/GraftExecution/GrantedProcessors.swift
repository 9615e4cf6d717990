import CGraftKernels
import GraftTensor

/// The processors that this process may really use.
///
/// Affinity says where it may run; the CPU quotas of its cgroup and of all those around it, for how much
/// of the time. A fraction of a processor counts as one.
///
/// Source: <https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files> and
/// <https://docs.kernel.org/scheduler/sched-bwc.html>
package enum GrantedProcessors {
  /// - Parameters:
  ///   - affinity: Processors that the process may run on.
  ///   - root: The folder that `proc` and `sys` are in.
  package static func count(
    affinity: Int = Int(graft_cpu_affinity_count()), root: String = ""
  ) -> Int {
    let quotas = ControlGroups.around(controller: "cpu", root: root).compactMap(quota)
    let granted = quotas.min().map { Int($0.rounded(.up)) } ?? affinity
    return max(1, min(affinity, granted))
  }

  /// Processors that a cgroup may use; `nil` if it says nothing.
  private static func quota(_ group: ControlGroups.Group) -> Double? {
    if group.isUnified {
      // Quota and period; the quota may be `max`.
      guard let words = group.words("cpu.max"), words.count == 2, let quota = Double(words[0]),
        let period = Double(words[1])
      else { return nil }
      return processors(quota, period)
    }
    // A file each; the quota may be -1.
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
