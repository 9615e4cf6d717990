import ArgumentParser
import GraftFiles

/// Checks the words of the command line before the parser.
enum CommandNames {
  /// - Throws: `GraftError` if a word in the place of a command is not a command
  static func check(_ words: [String], of root: any ParsableCommand.Type) throws {
    var rest = words[...]
    let isHelp = !root.configuration.subcommands.isEmpty && rest.first == "help"
    if isHelp { rest.removeFirst() }
    // The parser adds it.
    if isHelp, rest.elementsEqual(["help"]) { return }
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
            ?? (names.isEmpty ? nil : "The commands are \(names.listed(limit: 20))"))
      }
      command = next
      path += " \(word)"
      rest.removeFirst()
    }
  }

  /// Joins negative numbers with the options before them, as the parser would treat them as
  /// options: `--top-k -1` becomes `--top-k=-1`.
  static func joiningNegativeNumbers(_ words: [String]) -> [String] {
    var result: [String] = []
    for word in words {
      if let last = result.last, last.hasPrefix("--"), last.count > 2, !last.contains("="),
        word.hasPrefix("-"), Double(word) != nil || word.dropFirst().first?.isNumber == true
      {
        result[result.count - 1] = "\(last)=\(word)"
      } else {
        result.append(word)
      }
    }
    return result
  }
}
