/// The parts of paths. They are split at bytes, as the system does: a `/` before a combining
/// character is still a separator.
package enum FilePath {
  private static let separator = UInt8(ascii: "/")

  /// `a/b` for `a/b/c.png`, `/` for `/c.png`, and nothing for `c.png`.
  package static func folder(of path: String) -> String {
    guard let last = path.utf8.lastIndex(of: separator) else { return "" }
    let folder = path.utf8[..<last]
    return folder.allSatisfy { $0 == separator } ? "/" : String(folder) ?? ""
  }

  /// `c.png` for `a/b/c.png`, and `b` for `a/b/`.
  package static func name(of path: String) -> String { components(of: path).last ?? "" }

  /// `png` for `a/b/c.png`, in lower case; nothing for `c` and for `.c`.
  package static func ending(of path: String) -> String {
    let name = name(of: path).utf8
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return "" }
    return String(name[name.index(after: dot)...])?.lowercased() ?? ""
  }

  /// `a`, `b`, `c.png` for `/a//b/c.png`.
  package static func components(of path: String) -> [String] {
    path.utf8.split(separator: separator).map { String($0) ?? "" }
  }

  package static func isAbsolute(_ path: String) -> Bool { path.utf8.first == separator }

  /// The path of `name` in a folder; an empty folder is the current one.
  package static func path(_ name: String, in folder: String) -> String {
    if folder.isEmpty { return name }
    return folder.utf8.last == separator ? folder + name : "\(folder)/\(name)"
  }
}
