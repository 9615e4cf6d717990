import ArgumentParser
import GraftFiles

/// Looks at the words of the command line before the parser does.
enum CommandNames {
  /// - Throws: `GraftError` if a word stands in the place of a command and is none.
  static func check(_ words: [String], of root: any ParsableCommand.Type) throws {
    var rest = words[...]
    let isHelp = !root.configuration.subcommands.isEmpty && rest.first == "help"
    if isHelp { rest.removeFirst() }
    var command = root
    var path = root._commandName
    while let word = rest.first, !word.hasPrefix("-") {
      let commands = command.configuration.subcommands
      guard !commands.isEmpty || isHelp else { return }
      guard let next = commands.first(where: { $0._commandName == word }) else {
        let names = commands.map { $0._commandName }
        throw GraftError.usage(
          "'\(path)' has no command '\(word)'",
          hint: nearestNamesHint(word, among: names)
            ?? (names.isEmpty ? nil : "Its commands are \(names.listed(limit: 20))"))
      }
      command = next
      path += " \(word)"
      rest.removeFirst()
    }
  }

  /// Negative numbers as values of the options before them, which the parser takes for options of their own
  /// otherwise: `--top-k -1` becomes `--top-k=-1`.
  static func joiningNegativeNumbers(_ words: [String]) -> [String] {
    var result: [String] = []
    for word in words {
      if let last = result.last, last.hasPrefix("--"), last.count > 2, !last.contains("="),
        word.hasPrefix("-"), word.dropFirst().first?.isNumber == true
      {
        result[result.count - 1] = "\(last)=\(word)"
      } else {
        result.append(word)
      }
    }
    return result
  }
}
