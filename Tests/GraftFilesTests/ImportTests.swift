import Foundation
import Testing

/// The imports of the project's files.
@Suite struct ImportTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The lines of all Swift files outside of tests, each with the file's path in front.
  private static func lines() throws -> [(file: String, line: Substring)] {
    var lines: [(file: String, line: Substring)] = []
    for folder in ["Sources", "converters", "models", "examples", "tools"] {
      let files = FileManager.default.enumerator(atPath: root.appending(path: folder).path())
      for case let name as String in try #require(files) where name.hasSuffix(".swift") {
        let file = "\(folder)/\(name)"
        let text = try String(contentsOf: root.appending(path: file), encoding: .utf8)
        lines += text.split(separator: "\n").map { (file, $0) }
      }
    }
    #expect(lines.count > 10_000)
    return lines
  }

  /// It brings ICU, which is larger than all of Graft. FoundationEssentials does not. Generated
  /// code has it only for systems that have no other.
  @Test func nothingImportsFoundation() throws {
    let found = try ImportTests.lines().filter { file, line in
      let words = line.split { $0 == " " || $0 == "." }
      return words.contains("import") && words.contains("Foundation")
        && !file.hasPrefix("converters/ONNX/Generated/")
    }
    #expect(found.isEmpty, "\(found)")
  }

  /// Else the imports of a file would not tell what it uses.
  @Test func onlyTheCLibraryIsExportedAgain() throws {
    let files = try ImportTests.lines().filter { $0.line.contains("@_exported") }.map(\.file)
    #expect(Set(files) == ["Sources/GraftFiles/Platform.swift"])
  }
}
