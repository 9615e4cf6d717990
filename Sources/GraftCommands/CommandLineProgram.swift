import ArgumentParser
import Foundation
import Graft
import GraftKeras
import GraftTensor

/// Runs a command the way both executables do: errors on standard error, exit codes after sysexits.
package enum CommandLineProgram {
  package static func run(_ root: any ParsableCommand.Type) -> Never {
    // A reader of HDF5 structure is this same program, started again with narrow limits.
    HDF5ReaderProcess.runIfRequested()
    // A closed pipe is an error of one write, not the end of the process without a word.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try root.parseAsRoot()
      try command.run()
      exit(0)
    } catch let error as GraftError {
      report(error)
      exit(error.code.rawValue)
    } catch let error as ExitStatus {
      exit(error.code)
    } catch {
      root.exit(withError: error)
    }
  }

  /// Prints an error on standard error.
  static func report(_ error: GraftError) {
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
  }
}

/// Ends the program with a code after the messages were printed.
struct ExitStatus: Error {
  let code: Int32
}
