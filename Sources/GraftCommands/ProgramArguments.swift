import CGraftShims
import GraftFiles

/// The words of the command line, as the kernel passed them to the program.
enum ProgramArguments {
  /// All words after the program's name.
  static var words: [String] {
    (1..<max(1, graft_argument_count())).compactMap { index in
      graft_argument(index).map { String(fileName: $0) }
    }
  }
}
