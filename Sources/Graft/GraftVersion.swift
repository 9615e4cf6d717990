import GraftFiles

/// The identity of a build of Graft.
package enum GraftVersion {
  package static let current = "0.1.0"

  /// The version, and the size and time of the running program, as builds between two releases have
  /// the same version.
  static let build: String = {
    guard let program = FileIdentity(path: "/proc/self/exe") else { return current }
    return "\(current) \(program.byteCount) \(program.modificationTime)"
  }()
}
