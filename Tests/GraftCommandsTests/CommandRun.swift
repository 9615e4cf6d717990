import Foundation
import GraftCommands
import Testing

/// One after the other, as all use one folder of models.
@Suite(.serialized) enum CommandsTests {}

/// How a command ended, and what it printed.
struct CommandRun {
  let words: [String]
  let status: Int32
  let output: String
  let errors: String

  init(_ words: [String]) {
    let captured = CapturedOutput()
    status = CommandLineProgram.status(of: GraftCommand.self, words, output: captured)
    (output, errors) = (captured.output, captured.errors)
    self.words = words
  }

  /// `graft WORDS`, without words in quotation marks.
  init(_ line: String) { self.init(line.split(separator: " ").map(String.init)) }

  /// As a terminal shows it; folders that differ between runs have names.
  var transcript: String {
    let home = ProcessInfo.processInfo.environment["GRAFT_HOME"] ?? ""
    let text = "$ graft \(words.joined(separator: " "))\n\(output)\(errors)"
    return text.replacingOccurrences(of: home, with: "$GRAFT_HOME") + "exit \(status)\n"
  }
}
