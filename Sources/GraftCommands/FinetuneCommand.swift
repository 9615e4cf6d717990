import ArgumentParser
import GraftTraining

/// `graft finetune`: a new head on a trained trunk.
struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Put a new head on a trained network and train it on your images.",
    discussion: """
      DATA is a folder with one folder of images per class, a folder of images \
      named CLASS.NUMBER.jpg, CIFAR-10 or CIFAR-100 (unpacked or as tar.gz), a CSV \
      file of paths and labels, or NumPy arrays.

      First the head is trained on the features of the frozen trunk, which are \
      computed once per image. Then the layers in --unfreeze are trained too. The run is \
      a folder with recipe.yaml, logs (CSV, JSON lines, TensorBoard events), the \
      checkpoints last.npz and best.npz, report.html, and model.onnx, which `infer` \
      and any other ONNX runtime can run.

      Examples:
        graft finetune pets/ --model vgg16 --image-size 64
        graft finetune pets/ --model squeezenet.onnx --epochs 20 --unfreeze none
        graft finetune pets/ --recipe pets.yaml --output run2
        graft finetune pets/ --output run2 --resume
        graft finetune pets/ --model vgg16 --image-size 64 --find-learning-rate
      """)

  @OptionGroup var training: TrainingOptions

  func run() throws { try training.train("finetune", defaults: Recipe()) }
}
