import ArgumentParser
import Graft
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators

/// `graft convert`: HDF5 or ONNX to ONNX, or to HDF5 for architectures that Keras has.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract:
      "Write a model as ONNX with its preprocessing and labels, or its weights for Keras.",
    discussion: """
      The opset is the lowest from 7 on that can express the model without changing its operators, \
      so that most runtimes can read it; --opset overrides that. A model with operators \
      that Graft does not know keeps its opset.

      The destination's extension sets the format: .onnx, or .h5 or .hdf5 for the weights of VGG16 \
      or VGG19, and of the dense layers on it, in the layout of Keras's load_weights().

      Examples:
        graft convert vgg16_weights_tf_dim_ordering_tf_kernels.h5 vgg16.onnx
        graft convert vgg16 features.onnx --no-top
        graft convert squeezenet.onnx ready.onnx --preprocess keras-caffe \\
          --resize shorter:256 --crop 224 --interpolation bilinear --labels imagenet
        graft convert run/model.onnx trunk.h5 --no-top
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var source: String

  @Argument(help: "The file to write: NAME.onnx, or NAME.h5 for Keras.")
  var destination: String

  @Option(help: "Weights to use instead of the official ones of a named model.")
  var weights: String?

  @Flag(help: "Omit the dense layers.")
  var noTop = false

  @OptionGroup var image: ImageOptions

  @Option(help: "The opset of ai.onnx to write (default: the lowest from 7 on).")
  var opset: Int?

  @Flag(help: "Write the weights to a separate file next to the model.")
  var externalData = false

  private var isForKeras: Bool {
    [".h5", ".hdf5"].contains { destination.lowercased().hasSuffix($0) }
  }

  func validate() throws {
    guard isForKeras || destination.lowercased().hasSuffix(".onnx") else {
      throw ValidationError(
        "Cannot write '\(destination)': its name must end in .onnx, or in .h5 or .hdf5 for Keras.")
    }
    guard !isForKeras || opset == nil && !externalData && image.isEmpty else {
      throw ValidationError(
        "A file for Keras only has weights: omit --opset, --external-data and image options."
      )
    }
  }

  func run() throws {
    var graph = try ModelLoader(
      weights: weights, includeTop: !noTop, remark: CommandLineProgram.note
    ).graph(source)
    var written = [destination]
    if isForKeras {
      try withPlace(source) { try KerasExport.write(graph, includesTop: !noTop, to: destination) }
    } else if let weights = try writeONNX(&graph) {
      written.append(weights)
    }
    CommandLineProgram.noteWritten(written)
  }

  /// - Returns: the path of the weights, if they are in a separate file
  private func writeONNX(_ graph: inout Graph) throws -> String? {
    try image.describe(&graph, of: source)
    try withPlace(source) {
      try graph.inferMissingTypes()
      try graph.checkDescription()
    }
    let weights = try ONNXExporter(opset: opset, usesExternalData: externalData)
      .write(graph, to: destination)
    if opset == nil, graph.provenance.importedOpset > 0, let label = graph.unknownOperator {
      CommandLineProgram.note(
        "the file keeps opset \(graph.provenance.importedOpset), as Graft does not know \(label)")
    }
    return weights
  }
}
