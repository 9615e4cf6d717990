import ArgumentParser
import Graft

/// `graft`: all subcommands.
package struct GraftCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "graft",
    abstract: "Run, inspect, convert and fine-tune trained networks.",
    discussion: """
      Models are ONNX files, Keras HDF5 weights of known architectures, or names from \
      `graft models list`.

      Examples:
        graft infer photo.jpg --model vgg16
        graft inspect model.onnx
        graft convert vgg16.h5 vgg16.onnx
        graft benchmark model.onnx --batch 8
      """,
    version: GraftVersion.current,
    subcommands: [
      InferCommand.self, FinetuneCommand.self, TrainCommand.self, EvaluateCommand.self,
      RunCommand.self,
      InspectCommand.self, ConvertCommand.self,
      BenchmarkCommand.self, ModelsCommand.self, CacheCommand.self,
    ])

  package static var _errorPrefix: String { CommandLineProgram.errorPrefix }

  package init() {}
}
