import Foundation
import TestSupport

/// `server.py`, running as long as this lives.
final class TestServer: @unchecked Sendable {
  let port: Int
  private let process = Process()
  private let input = Pipe()
  private let folder: TemporaryFolder

  /// The SHA-256 of what it serves.
  static let checksum =
    "sha256:28ec62d1afe0845bef1af10d9623b386d7d3ef1fd3fa3e0e5404bb3d475f7af3"
  static let byteCount = 300_000

  init() throws {
    folder = try TemporaryFolder()
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("server.py")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", script.path, "\(folder.path)/log"]
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      guard let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else {
        throw CocoaError(.fileReadUnknown)
      }
      line += byte
    }
    port = Int(String(decoding: line.dropLast(), as: UTF8.self)) ?? 0
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// The path and the Range header of each request so far.
  var requests: String {
    get throws { try String(contentsOfFile: "\(folder.path)/log", encoding: .utf8) }
  }

  func address(_ path: String) -> String { "http://127.0.0.1:\(port)/\(path)" }
}
