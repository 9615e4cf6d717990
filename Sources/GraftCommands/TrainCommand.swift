import ArgumentParser
import GraftTraining

/// `graft train`: a network from random weights.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a network from scratch on your images.",
    discussion: """
      Accepts the options of `graft finetune`; --model names an architecture (vgg16, \
      vgg19, resnet9), which starts from random weights. The trained trunk can \
      get another head: `graft finetune pets/ --model run/model.onnx --cut \
      block5_pool`.

      Examples:
        graft train cifar-10-binary.tar.gz --model vgg16 --image-size 32
        graft train digits/ --recipe digits.yaml
      """)

  @OptionGroup var training: TrainingOptions

  func run() throws { try training.train("train", defaults: .defaults(fromScratch: true)) }
}
