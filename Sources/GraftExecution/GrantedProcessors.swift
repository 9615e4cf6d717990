import CGraftKernels
import Foundation

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
    let quotas = hierarchies(root: root).flatMap { hierarchy in
      folders(hierarchy.path).compactMap { hierarchy.quota("\(hierarchy.mount)\($0)") }
    }
    let granted = quotas.min().map { Int($0.rounded(.up)) } ?? affinity
    return max(1, min(affinity, granted))
  }

  /// A tree of cgroups that limits processor time, and this process's place in it.
  private struct Hierarchy {
    let mount: String
    let path: String
    /// Processors that the cgroup in a folder may use; `nil` if it says nothing.
    let quota: (_ folder: String) -> Double?
  }

  private static func hierarchies(root: String) -> [Hierarchy] {
    let mount = "\(root)/sys/fs/cgroup"
    return (text("\(root)/proc/self/cgroup") ?? "0::/").split(separator: "\n").flatMap {
      line -> [Hierarchy] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let path = String(parts[2])
      if parts[1].isEmpty { return [Hierarchy(mount: mount, path: path, quota: unifiedQuota)] }
      guard parts[1].split(separator: ",").contains("cpu") else { return [] }
      // The folder is named after all controllers of the tree, or one is a link.
      return Set([String(parts[1]), "cpu"]).map {
        Hierarchy(mount: "\(mount)/\($0)", path: path, quota: separateQuota)
      }
    }
  }

  /// The folders from the top to `path`, which may be that of another name space and not be there.
  private static func folders(_ path: String) -> [String] {
    var folder = ""
    var folders = [folder]
    for component in path.split(separator: "/") {
      if component == ".." { return [""] }
      folder += "/\(component)"
      folders.append(folder)
    }
    return folders
  }

  /// Version 2: `cpu.max` holds quota and period; the quota may be `max`.
  private static func unifiedQuota(_ folder: String) -> Double? {
    guard let words = text("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace),
      words.count == 2, let quota = Double(words[0]), let period = Double(words[1])
    else { return nil }
    return processors(quota, period)
  }

  /// Version 1: a file each; the quota may be -1.
  private static func separateQuota(_ folder: String) -> Double? {
    guard let quota = number("\(folder)/cpu.cfs_quota_us"),
      let period = number("\(folder)/cpu.cfs_period_us")
    else { return nil }
    return processors(quota, period)
  }

  private static func processors(_ quota: Double, _ period: Double) -> Double? {
    let count = quota / period
    return quota > 0 && period > 0 && count < 1e6 ? count : nil
  }

  private static func number(_ path: String) -> Double? {
    text(path).flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
