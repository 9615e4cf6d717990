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

      --inputs and --outputs cut a part out of the model, between values anywhere in it. The part \
      keeps their types. `graft inspect` lists the layers; a mistyped name is answered with near \
      ones.

      Examples:
        graft convert vgg16_weights_tf_dim_ordering_tf_kernels.h5 vgg16.onnx
        graft convert vgg16 features.onnx --no-top
        graft convert squeezenet.onnx ready.onnx --preprocess keras-caffe \\
          --resize shorter:256 --crop 224 --interpolation bilinear --labels imagenet
        graft convert run/model.onnx trunk.h5 --no-top
        graft convert model.onnx neck.onnx --inputs features --outputs boxes,scores
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

  @Option(
    help: ArgumentHelp(
      """
      Write the part of the model from these values on, with commas between their names \
      (default: the model's inputs, as far as the outputs need them).
      """,
      valueName: "names"))
  var inputs: [String] = []

  @Option(
    help: ArgumentHelp(
      "Write the part of the model up to these values (default: the model's outputs).",
      valueName: "names"))
  var outputs: [String] = []

  @Flag(
    help: """
      Keep calls of the file's own functions, and the functions as they are, at the file's opset \
      (default: functions are replaced by their nodes).
      """)
  var keepFunctions = false

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
    guard !isForKeras || inputs.isEmpty && outputs.isEmpty && !keepFunctions else {
      throw ValidationError(
        "A file for Keras only has weights: omit --inputs, --outputs and --keep-functions.")
    }
  }

  func run() throws {
    var loader = ModelLoader(
      weights: weights, includeTop: !noTop, remark: CommandLineProgram.note)
    loader.keepsFunctions = keepFunctions
    var graph = try loader.graph(source)
    if !inputs.isEmpty || !outputs.isEmpty { graph = try part(of: graph) }
    var written = [destination]
    if isForKeras {
      try withPlace(source) { try KerasExport.write(graph, includesTop: !noTop, to: destination) }
    } else if let weights = try writeONNX(&graph) {
      written.append(weights)
    }
    CommandLineProgram.noteWritten(written)
  }

  private func part(of graph: Graph) throws -> Graph {
    let part = try withPlace(source) {
      try graph.part(
        inputs: inputs.isEmpty ? nil : inputs, outputs: outputs.isEmpty ? nil : outputs)
    }
    let read = Set(part.nodes.flatMap(\.reads) + part.outputs)
    for id in part.inputs where !read.contains(id) {
      CommandLineProgram.note("no output depends on the input '\(part[id].name)'")
    }
    return part
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
