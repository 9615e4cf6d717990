import Foundation
import Testing

/// Files with what the commands print. `GRAFT_UPDATE_GOLDEN=1` writes them again.
enum Golden {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden")
  private static let isUpdating =
    ProcessInfo.processInfo.environment["GRAFT_UPDATE_GOLDEN"] == "1"

  static func expect(
    _ text: String, in name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let file = folder.appendingPathComponent(name)
    if isUpdating { return try Data(text.utf8).write(to: file) }
    guard let expected = try? String(contentsOf: file, encoding: .utf8) else {
      Issue.record(
        "Golden/\(name) is missing: set GRAFT_UPDATE_GOLDEN=1", sourceLocation: sourceLocation)
      return
    }
    let lines = (text.components(separatedBy: "\n"), expected.components(separatedBy: "\n"))
    guard text != expected else { return }
    let number = zip(lines.0, lines.1).prefix { $0 == $1 }.count
    let found = number < lines.0.count ? lines.0[number] : "nothing"
    let wanted = number < lines.1.count ? lines.1[number] : "nothing"
    Issue.record(
      "Golden/\(name), line \(number + 1): \"\(found)\", not \"\(wanted)\"",
      sourceLocation: sourceLocation)
  }

  /// The names of the files in a folder.
  static func names(in name: String) throws -> [String] {
    let path = folder.appendingPathComponent(name).path
    return try FileManager.default.contentsOfDirectory(atPath: path)
  }
}
