import ArgumentParser
import GraftCommands
import Testing

/// Help texts, at 80 columns.
@Suite struct HelpTests {
  /// The words that name each command, subcommands after their command.
  private static func commands(
    _ type: any ParsableCommand.Type = GraftCommand.self, after words: [String] = []
  ) -> [[String]] {
    [words]
      + type.configuration.subcommands.flatMap { subcommand in
        commands(subcommand, after: words + [subcommand._commandName])
      }
  }

  private static func file(_ words: [String]) -> String {
    (["graft"] + words).joined(separator: "-") + ".txt"
  }

  @Test(arguments: commands()) func helpIsAsWritten(_ words: [String]) throws {
    let run = CommandRun(["help"] + words)
    #expect(run.status == 0 && run.errors.isEmpty)
    try Golden.expect(run.output, in: "help/" + Self.file(words))
  }

  @Test(arguments: commands()) func optionAndSubcommandGiveTheSameHelp(_ words: [String]) {
    #expect(CommandRun(words + ["--help"]).output == CommandRun(["help"] + words).output)
  }

  /// A text of a command that is gone would never fail.
  @Test func everyFileBelongsToACommand() throws {
    #expect(try Set(Golden.names(in: "help")) == Set(Self.commands().map(Self.file)))
  }

  @Test func versionIsOneLine() {
    let run = CommandRun("--version")
    #expect(run.status == 0 && run.errors.isEmpty)
    #expect(run.output.wholeMatch(of: #/\d+\.\d+\.\d+\n/#) != nil)
  }
}
