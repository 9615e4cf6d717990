import GraftTensor

/// The groups and data sets of a file, as hard links lead to them from its root.
struct HDF5Tree {
  struct Group {
    var name: String
    /// From the root: `/layers/dense`; empty for the root itself.
    var path: String
    var groups: [Group] = []
    /// Names of data sets.
    var datasets: [String] = []

    func group(_ name: String) -> Group? { groups.first { $0.name == name } }
  }

  let root: Group

  /// Walks the whole file.
  ///
  /// - Throws: `GraftError` if a link leads out of the file, or if there are too many or too deep
  ///   groups.
  init(of file: borrowing HDF5File, limits: HDF5Limits) throws {
    var walk = Walk(limits: limits)
    root = try walk.group(file.root(), name: "", path: "", depth: 0)
  }

  private struct Walk {
    let limits: HDF5Limits
    var objectCount = 0
    /// Groups on the way or done; a second link to one of them is not followed, so that cycles end.
    var visited: Set<UInt64> = []

    mutating func group(
      _ object: HDF5Object, name: String, path: String, depth: Int
    ) throws -> Group {
      guard depth <= limits.depth else {
        throw GraftError.badData("groups are nested deeper than \(limits.depth)")
      }
      var group = Group(name: name, path: path)
      guard visited.insert(object.address).inserted else { return group }
      let links = try withPlace(place(path)) {
        try object.links(limit: limits.objectCount - objectCount)
      }
      objectCount += links.count
      for link in links {
        let memberPath = "\(path)/\(link.name)"
        switch link.kind {
        case .external, .other:
          throw GraftError.badData(
            "is a link out of the file", hint: "Weights are read from one file only"
          ).at(place(memberPath))
        case .soft: break
        case .hard:
          guard let member = object.member(link.name) else {
            throw HDF5File.error("cannot be opened").at(place(memberPath))
          }
          switch member.kind {
          case .group:
            group.groups.append(
              try self.group(member, name: link.name, path: memberPath, depth: depth + 1))
          case .dataset: group.datasets.append(link.name)
          case .other: break
          }
        }
      }
      return group
    }

    private func place(_ path: String) -> String { "'\(path.isEmpty ? "/" : path)'" }
  }
}
