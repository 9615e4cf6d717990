import GraftFiles

/// The cgroups that limit this process: its own and all its ancestors.
///
/// Source: <https://docs.kernel.org/admin-guide/cgroup-v2.html> and
/// <https://docs.kernel.org/admin-guide/cgroup-v1/cgroups.html>
package enum ControlGroups {
  /// A cgroup, identified by the folder of its files.
  package struct Group: Sendable, Hashable {
    package let folder: String
    /// Whether it belongs to version 2, with all controllers in one tree.
    package let isUnified: Bool

    /// The words in one of its files; `nil` if it does not exist.
    package func words(_ file: String) -> [Substring]? {
      FileSystem.kernelFile("\(folder)/\(file)")?.split { $0.isWhitespace }
    }

    /// The number in one of its files.
    package func number(_ file: String) -> Double? {
      guard let words = words(file), words.count == 1 else { return nil }
      return Double(words[0])
    }
  }

  /// - Parameters:
  ///   - controller: `cpu`, `memory`, …
  ///   - root: the folder that contains `proc` and `sys`
  package static func around(controller: String, root: String = "") -> [Group] {
    let mount = "\(root)/sys/fs/cgroup"
    let text = FileSystem.kernelFile("\(root)/proc/self/cgroup") ?? "0::/"
    return text.split(separator: "\n").flatMap { line -> [Group] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let folders = folders(String(parts[2]))
      if parts[1].isEmpty { return folders.map { Group(folder: mount + $0, isUnified: true) } }
      guard parts[1].split(separator: ",").contains(Substring(controller)) else { return [] }
      // The folder is named after all controllers of the tree, or one is a link.
      return Set([String(parts[1]), controller]).flatMap { name in
        folders.map { Group(folder: "\(mount)/\(name)\($0)", isUnified: false) }
      }
    }
  }

  /// The folders from the top to `path`, which may be of another namespace and not exist.
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
}
