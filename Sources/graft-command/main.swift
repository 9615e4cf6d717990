import GraftCommands

CommandLineProgram.run(GraftCommand.self)
