import GraftCommands

CommandLineProgram.run(InferCommand.self)
