/// The parts of paths. Unlike those of `Character`s, they are found where the system finds them: a `/`
/// before a combining character is one all the same.
package enum FilePath {
  private static let separator = UInt8(ascii: "/")

  /// `a/b` of `a/b/c.png`, `/` of `/c.png`, and nothing of `c.png`.
  package static func folder(of path: String) -> String {
    guard let last = path.utf8.lastIndex(of: separator) else { return "" }
    let folder = path.utf8[..<last]
    return folder.allSatisfy { $0 == separator } ? "/" : String(folder) ?? ""
  }

  /// `c.png` of `a/b/c.png`, and `b` of `a/b/`.
  package static func name(of path: String) -> String { components(of: path).last ?? "" }

  /// `png` of `a/b/c.png`, in lower case; nothing of `c` and of `.c`.
  package static func ending(of path: String) -> String {
    let name = name(of: path).utf8
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return "" }
    return String(name[name.index(after: dot)...])?.lowercased() ?? ""
  }

  /// `a`, `b`, `c.png` of `/a//b/c.png`.
  package static func components(of path: String) -> [String] {
    path.utf8.split(separator: separator).map { String($0) ?? "" }
  }

  package static func isAbsolute(_ path: String) -> Bool { path.utf8.first == separator }

  /// The path of `name` in a folder; an empty one is the current folder.
  package static func path(_ name: String, in folder: String) -> String {
    if folder.isEmpty { return name }
    return folder.utf8.last == separator ? folder + name : "\(folder)/\(name)"
  }
}
