import ArgumentParser
import CGraftMapping
import GraftFiles
import GraftVision

/// Runs a command for both executables: errors on standard error, exit codes after sysexits.
package enum CommandLineProgram {
  package static func run(_ root: any ParsableCommand.Type) -> Never {
    graft_return_freed_memory(1 << 20)
    Output.prepare()
    MappedFiles.watch()
    ImageWarnings.shared.setHandler { warn($0) }
    exit(status(of: root, ProgramArguments.words))
  }

  /// Runs a command, and returns its exit status; what it prints goes to `output`.
  package static func status(
    of root: any ParsableCommand.Type, _ words: [String], output: CapturedOutput
  ) -> Int32 {
    Output.$captured.withValue(output) { status(of: root, words) }
  }

  private static func status(of root: any ParsableCommand.Type, _ words: [String]) -> Int32 {
    do {
      try perform(root, words)
      try Output.finish()
      return 0
    } catch let error as GraftError {
      report(error)
      return error.code.rawValue
    } catch let error as ExitStatus {
      return error.code
    } catch is BrokenPipe {
      signal(SIGPIPE, SIG_DFL)
      raise(SIGPIPE)
      return 128 + SIGPIPE
    } catch {
      Output.writeError("\(errorPrefix)\(error)\n")
      return GraftError.Code.software.rawValue
    }
  }

  /// Parses the words and runs their command, or prints the requested help.
  private static func perform(_ root: any ParsableCommand.Type, _ words: [String]) throws {
    do {
      try CommandNames.check(words, of: root)
      var command = try root.parseAsRoot(CommandNames.joiningNegativeNumbers(words))
      // Help does not depend on it.
      if type(of: command)._commandName != "help" { try CommandEnvironment.check() }
      try command.run()
    } catch  where isFromParser(error, root) {
      let status = root.exitCode(for: error)
      let text = root.fullMessage(for: error)
      guard status == .success else {
        if !text.isEmpty { Output.writeError(text + "\n") }
        throw ExitStatus(code: status.rawValue)
      }
      if !text.isEmpty { try print(text) }
    }
  }

  /// Whether an error comes from the parser, for invalid arguments or a help request, since it is
  /// not of Graft's types.
  private static func isFromParser(
    _ error: any Error, _ root: any ParsableCommand.Type
  ) -> Bool {
    guard !(error is GraftError || error is ExitStatus || error is BrokenPipe) else { return false }
    return [.success, .validationFailure].contains(root.exitCode(for: error))
  }

  /// The start of every error line.
  static let errorPrefix = "error: "

  /// Prints an error on standard error.
  static func report(_ error: GraftError) { Output.writeError("\(errorPrefix)\(error.line)\n") }

  /// Prints a note on standard error.
  static func note(_ text: String) { Output.writeError("note: \(Output.oneLine(text))\n") }

  /// Prints on standard error which files were written, and their sizes.
  static func noteWritten(_ paths: [String]) {
    let files = paths.map { path in
      path + (FileSystem.status(of: path).map { " (\(Terminal.bytes(Int($0.st_size))))" } ?? "")
    }
    note("wrote \(files.joined(separator: " and "))")
  }

  /// Prints a warning on standard error.
  static func warn(_ text: String) { Output.writeError("warning: \(Output.oneLine(text))\n") }
}

extension GraftError {
  /// The error on one line: names from files can neither break the line nor flood the screen.
  fileprivate var line: String {
    func shortened(_ text: String) -> String {
      let limit = 2000
      guard text.unicodeScalars.count > limit else { return text }
      let scalars = text.unicodeScalars
      return String(scalars.prefix(limit / 2)) + " … " + String(scalars.suffix(limit / 4))
    }
    let text = (places + [message]).map { shortened(Output.oneLine($0)) }.joined(separator: ": ")
    guard let hint else { return text }
    return "\(text). \(shortened(hint))"
  }
}

/// Ends the program with a code after all messages were printed.
struct ExitStatus: Error {
  let code: Int32
}
