import CGraftShims

/// The words of the command line, as the kernel gave them to the program.
enum ProgramArguments {
  /// All words behind the program's name.
  static var words: [String] {
    (1..<max(1, graft_argument_count())).compactMap { index in
      graft_argument(index).map { String(fileName: $0) }
    }
  }
}
