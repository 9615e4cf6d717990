import ArgumentParser
import Foundation
import Graft
import GraftData
import GraftONNX
import GraftRuntime

/// `graft run`: any model on tensors from files.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a model on tensors from files.",
    discussion: """
      Inputs come as input_0.pb, input_1.pb … (serialized TensorProto, SequenceProto or
      OptionalProto) from a folder, in the order in which the model declares them, or one by one as
      NumPy arrays. Outputs go the same way.

      Examples:
        graft run model.onnx --input-dir data --output-dir results
        graft run model.onnx --input x=picture.npy --output results.npz
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var model: String

  @Option(help: "Folder with input_0.pb, input_1.pb …")
  var inputDir: String?

  @Option(help: "Folder to write output_0.pb, output_1.pb … to; made if it is missing.")
  var outputDir: String?

  @Option(
    name: .customLong("input"),
    help: "NAME=FILE: an input from a .npy, .npz or .pb file. May be repeated.")
  var inputs: [NamedFile] = []

  @Option(help: "A .npz file to write all outputs to, by name.")
  var output: String?

  @OptionGroup var compute: ComputeOptions

  func validate() throws {
    if inputDir != nil, !inputs.isEmpty {
      throw ValidationError("Give either --input-dir or --input, not both.")
    }
    if outputDir == nil, output == nil {
      throw ValidationError("Say where the outputs go: --output-dir DIR or --output FILE.npz.")
    }
    if let output, !output.hasSuffix(".npz") {
      throw ValidationError("--output takes a file that ends in .npz.")
    }
  }

  func run() throws {
    var options = compute.executableOptions
    options.releasesConstants = true
    let loaded = try ModelLoader().load(model, cache: compute.cache, options: options)
    let graph = loaded.graph
    let executable = try withPlace(model) { try loaded.executable(options) }
    let values = try inputDir.map { try readFolder($0, graph) } ?? readNamed(executable, graph)
    let results = try Session(executable).run(values)
    if let outputDir { try writeFolder(results, outputDir, executable) }
    if let output {
      let arrays = try zip(executable.outputNames, results).map { name, value in
        (name: name, tensor: try withPlace("output '\(name)'") { try value.tensor })
      }
      try NPZFile.write(arrays, path: output)
    }
    // A cache that cannot be written is no fault of these results.
    _ = try? executable.storeCompiledForm()
  }

  private func readFolder(_ folder: String, _ graph: Graph) throws -> [RuntimeValue] {
    try graph.inputs.enumerated().map { position, id in
      let path = "\(folder)/input_\(position).pb"
      return try TensorProtoReader().value(path: path, type: graph[id].type ?? .anyTensor)
    }
  }

  private func readNamed(_ executable: Executable, _ graph: Graph) throws -> [RuntimeValue] {
    var byName: [String: RuntimeValue] = [:]
    for input in inputs {
      guard let position = executable.inputNames.firstIndex(of: input.name) else {
        throw GraftError.usage(
          "the model has no input '\(input.name)'",
          hint: "Its inputs are \(executable.inputNames.joined(separator: ", "))")
      }
      byName[input.name] = try input.read(type: graph[graph.inputs[position]].type)
    }
    return try executable.inputNames.map { name in
      guard let value = byName[name] else {
        throw GraftError.usage(
          "input '\(name)' is missing", hint: "Give it with --input \(name)=FILE")
      }
      return value
    }
  }

  private func writeFolder(
    _ results: [RuntimeValue], _ folder: String, _ executable: Executable
  ) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw GraftError(
        .cannotCreate, "cannot be made: \(error.localizedDescription)", places: [folder])
    }
    for (position, value) in results.enumerated() {
      let id = executable.graph.outputs[position]
      try TensorProtoWriter.write(
        value, name: executable.outputNames[position], type: executable.graph[id].type,
        to: "\(folder)/output_\(position).pb")
    }
  }
}

/// `NAME=FILE`
struct NamedFile: ExpressibleByArgument {
  let name: String
  let path: String

  init?(argument: String) {
    guard let separator = argument.firstIndex(of: "=") else { return nil }
    name = String(argument[..<separator])
    path = String(argument[argument.index(after: separator)...])
    if name.isEmpty || path.isEmpty { return nil }
  }

  /// The value in the file; of an .npz file the array of this name, or its only one.
  func read(type: ValueType?) throws -> RuntimeValue {
    switch (path as NSString).pathExtension {
    case "npy": return .tensor(try NPYFile.read(path: path))
    case "npz":
      let arrays = try NPZFile.read(path: path)
      guard
        let array = arrays.first(where: { $0.name == name })
          ?? (arrays.count == 1 ? arrays[0] : nil)
      else {
        throw GraftError(
          .badData, "has no array '\(name)'", places: [path],
          hint: "It has \(arrays.map(\.name).joined(separator: ", "))")
      }
      return .tensor(array.tensor)
    case "pb": return try TensorProtoReader().value(path: path, type: type ?? .anyTensor)
    default:
      throw GraftError(
        .usage, "is of no known kind", places: [path], hint: "Use a .npy, .npz or .pb file")
    }
  }
}

extension ValueType {
  /// What an input without a declared type is taken for.
  fileprivate static let anyTensor = ValueType.tensor(TensorType(.float, nil))
}
