import GraftFiles

/// The groups and datasets of a file that hard links reach from its root.
struct HDF5Tree {
  struct Group {
    var name: String
    /// The path from the root: `/layers/dense`; empty for the root itself.
    var path: String
    var groups: [Group] = []
    /// The names of datasets.
    var datasets: [String] = []

    func group(_ name: String) -> Group? {
      groups.first { $0.name.utf8.elementsEqual(name.utf8) }
    }
  }

  let root: Group

  /// Walks the whole file.
  ///
  /// - Throws: `GraftError` if a link leads out of the file, or if groups are too many or too deep
  init(of file: HDF5File) throws {
    var walk = Walk(limits: file.limits)
    root = try walk.group(file.root(), name: "", path: "", depth: 0)
  }

  private struct Walk {
    let limits: HDF5Limits
    var objectCount = 0
    /// Visited groups; further links to them are not followed, so that cycles end.
    var visited: Set<Int> = []

    mutating func group(
      _ object: HDF5Object, name: String, path: String, depth: Int
    ) throws -> Group {
      guard depth <= limits.depth else {
        throw GraftError.badData("groups are nested deeper than \(limits.depth)")
      }
      var group = Group(name: name, path: path)
      guard visited.insert(object.address).inserted else { return group }
      let links = try withPlace(place(path)) { try object.links() }
      objectCount += links.count
      guard objectCount <= limits.objectCount else {
        throw GraftError.badData("has too many objects")
      }
      for link in links {
        let memberPath = "\(path)/\(link.name)"
        switch link.target {
        case .elsewhere: throw HDF5Object.leadsOut.at(place(memberPath))
        case .soft: break
        case .hard(let address):
          let member = try withPlace(place(memberPath)) {
            try HDF5Object(object.file, address: address)
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
