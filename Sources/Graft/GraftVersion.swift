import GraftFiles

/// What tells one build of Graft from another.
package enum GraftVersion {
  package static let current = "0.1.0"

  /// The version, and the size and time of the running program: a version says nothing of the builds
  /// between two releases.
  static let build: String = {
    guard let program = FileIdentity(path: "/proc/self/exe") else { return current }
    return "\(current) \(program.byteCount) \(program.modificationTime)"
  }()
}
