import Foundation

/// The Python that `GRAFT_PYTHON` names, for comparisons with other implementations.
package enum Python {
  package static let path: String? = ProcessInfo.processInfo.environment["GRAFT_PYTHON"]
  package static var isPresent: Bool { path != nil }
  package static let absence = "GRAFT_PYTHON names no Python with the packages of the tests"

  /// A program of `Tests/Fixtures`.
  package static func maker(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/\(name)").path
  }

  /// Runs Python, and returns its exit status and what it printed.
  package static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path ?? "")
    process.arguments = ["-W", "ignore"] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
