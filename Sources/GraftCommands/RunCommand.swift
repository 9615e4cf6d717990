import ArgumentParser
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTensor

/// `graft run`: any model on tensors from files.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a model on tensors from files.",
    discussion: """
      Inputs are NumPy arrays, JSON or serialized TensorProto messages, given one by one, or a \
      folder with input_0.pb, input_1.pb … (TensorProto, SequenceProto or OptionalProto) in the \
      model's input order. Without --output and --output-dir, the types, shapes and ranges of the \
      outputs are printed.

      In JSON, a tensor is nested arrays of numbers, strings, true and false. A sequence is an \
      array of tensors, a map an object, and null an empty optional. An .npz archive holds a sequence as its \
      arrays, in order.

      Examples:
        graft run model.onnx --input image.npy
        graft run model.onnx --input x=image.npy --output results.npz
        graft run model.onnx --input text=words.json --output results.json
        graft run model.onnx --input-dir data --output-dir results
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var model: String

  @Option(help: "Folder with input_0.pb, input_1.pb …")
  var inputDir: String?

  @Option(help: "Folder for output_0.pb, output_1.pb …; created if it does not exist.")
  var outputDir: String?

  @Option(
    name: .customLong("input"),
    help: ArgumentHelp(
      """
      An input from a .npy, .npz, .json or .pb file. The name is optional if the model has one \
      input. Inputs with defaults are allowed too. May be repeated.
      """,
      valueName: "name=file"))
  var inputs: [String] = []

  @Option(
    help: ArgumentHelp(
      "An .npz or .json file for all outputs, by name.", valueName: "file"))
  var output: String?

  @OptionGroup var settings: RunOptions

  func validate() throws {
    if inputDir != nil, !inputs.isEmpty {
      throw ValidationError("Use either --input-dir or --input, not both.")
    }
    if let output, !["npz", "json"].contains(FilePath.ending(of: output)) {
      throw ValidationError("--output must name an .npz or .json file.")
    }
  }

  func run() throws {
    var options = settings.executableOptions
    options.releasesConstants = true
    let loaded = try load(options)
    let graph = loaded.graph
    let executable = try withPlace(model) { try loaded.executable(options) }
    guard !executable.outputNames.isEmpty else {
      throw GraftError.badData("the model has no outputs", hint: "There is nothing to compute")
        .at(model)
    }
    let values = try inputDir.map { try readFolder($0, graph) } ?? readNamed(executable, graph)
    if let outputDir { try TextFile.makeFolder(outputDir) }
    if let output { try AtomicFile.requireWritable(output) }
    let results = try Session(executable).run(values)
    if let outputDir { try writeFolder(results, outputDir, executable) }
    if let output {
      let values = zip(executable.outputNames, results).map { (name: $0, value: $1) }
      if FilePath.ending(of: output) == "json" {
        try JSONValueFile.write(values, path: output)
      } else {
        try NPZValues.write(values, path: output)
      }
    }
    if output == nil, outputDir == nil {
      try print(OutputSummary.text(zip(executable.outputNames, results)))
    }
    // A cache that cannot be written does not affect these results.
    _ = try? loaded.compilation?.store(executable)
  }

  /// The model, which is read again if `--input` names an input with a default, to make it
  /// required.
  private func load(_ options: Executable.Options) throws -> LoadedModel {
    let loaded = try ModelLoader(remark: CommandLineProgram.note).load(
      model, cache: settings.compute.cache, options: options)
    let names = loaded.graph.inputs.map { loaded.graph[$0].name }
    let others = inputs.filter { namedPlace(of: $0, among: names) == nil }
    // Only the model shows which equals sign ends the name.
    let given = others.flatMap { text in
      text.utf8.indices.filter { text.utf8[$0] == UInt8(ascii: "=") }
        .map { ByteString(text[..<$0]) }
    }
    guard !given.isEmpty else { return loaded }
    let graph = try ModelLoader(givenInputs: Set(given)).graph(model)
    return graph.inputs.count == loaded.graph.inputs.count ? loaded : LoadedModel(graph)
  }

  private func readFolder(_ folder: String, _ graph: Graph) throws -> [RuntimeValue] {
    try graph.inputs.enumerated().map { position, id in
      let path = "\(folder)/input_\(position).pb"
      return try InputTensorFile.read(path, for: graph[id])
    }
  }

  private func readNamed(_ executable: Executable, _ graph: Graph) throws -> [RuntimeValue] {
    let names = executable.inputNames
    func described(_ position: Int) -> String {
      "\(names[position]): \(graph[graph.inputs[position]].type?.description ?? "unknown type")"
    }
    var files = [String?](repeating: nil, count: names.count)
    for text in inputs {
      let (position, path) = try place(of: text, among: names, in: graph)
      guard files[position] == nil else {
        throw GraftError.usage("input '\(names[position])' is given twice")
      }
      files[position] = path
    }
    let missing = names.indices.filter { files[$0] == nil }
    guard missing.isEmpty else {
      let words = missing.prefix(10).map { "--input \(Terminal.quoted("\(names[$0])=FILE"))" }
      throw GraftError.usage(
        (missing.count == 1 ? "an input is missing: " : "\(missing.count) inputs are missing: ")
          + missing.map(described).listed(),
        hint: "Add \(words.joined(separator: " "))")
    }
    return try zip(names.indices, files.compactMap { $0 }).map { position, path in
      try InputTensorFile.read(path, for: graph[graph.inputs[position]])
    }
  }

  /// The input and file in `NAME=FILE` or `FILE`. Names and files may contain `=` themselves.
  private func place(
    of text: String, among names: [String], in graph: Graph
  ) throws -> (Int, String) {
    if let named = namedPlace(of: text, among: names) {
      let path = String(
        decoding: text.utf8.dropFirst(names[named].utf8.count + 1), as: UTF8.self)
      guard !path.isEmpty else { throw GraftError.usage("--input '\(text)' has no file") }
      return (named, path)
    }
    let separator = text.firstIndex(of: "=")
    if names.count == 1, separator == nil || FileSystem.exists(text) {
      return (0, text)
    }
    guard let separator else {
      throw GraftError.usage(
        "--input '\(text)' does not name an input",
        hint: "Use --input NAME=FILE. The inputs are \(names.listed())")
    }
    let name = String(text[..<separator])
    let defaulted = graph.defaultedInputs.map { graph[$0].name }
    let others = defaulted.isEmpty ? "" : "; those with defaults are \(defaulted.listed())"
    throw GraftError.usage(
      "the model has no input '\(name)'",
      hint: nearestNamesHint(name, among: names + defaulted)
        ?? "The inputs are \(names.listed())\(others)")
  }

  /// The input with the longest name that `NAME=FILE` starts with.
  private func namedPlace(of text: String, among names: [String]) -> Int? {
    names.indices.filter { text.utf8.starts(with: "\(names[$0])=".utf8) }
      .max { names[$0].utf8.count < names[$1].utf8.count }
  }

  private func writeFolder(
    _ results: [RuntimeValue], _ folder: String, _ executable: Executable
  ) throws {
    for (position, value) in results.enumerated() {
      let id = executable.graph.outputs[position]
      try TensorProtoWriter.write(
        value, name: executable.outputNames[position], type: executable.graph[id].type,
        to: "\(folder)/output_\(position).pb")
    }
  }
}

/// A file with an input of a model.
private enum InputTensorFile {
  /// The value in the file; in an .npz or .json file, the one with the input's name.
  ///
  /// - Throws: `GraftError` if there is none, or the model declares another type for the input
  static func read(_ path: String, for input: Value) throws -> RuntimeValue {
    let value = try read(path, name: input.name, type: input.type)
    if let declared = input.type, !declared.accepts(value) {
      throw GraftError.badData(
        "input '\(input.name)' is \(value.staticType(declared: declared)); "
          + "the model declares \(declared)"
      ).at(path)
    }
    return value
  }

  private static func read(
    _ path: String, name: String, type: ValueType?
  ) throws -> RuntimeValue {
    switch FilePath.ending(of: path) {
    case "npy": return .tensor(try NPYFile.read(path: path, allowsStrings: true))
    case "npz":
      return try NPZValues.read(path: path, name: name, type: type ?? .anyTensor)
    case "json":
      return try JSONValueFile.read(path: path, name: name, type: type ?? .anyTensor)
    case "pb": return try TensorProtoReader().value(path: path, type: type ?? .anyTensor)
    default:
      let advice = "Use a .npy, .npz, .json or .pb file"
      if let kind = FileKind.recognize(path: path) {
        throw kind.error(
          expected: "a file whose name ends in .npy, .npz, .json or .pb", advice: advice
        ).at(path)
      }
      // Distinguishes missing files and folders from files of another kind.
      _ = try InputDescriptor(path)
      throw GraftError.badData("is not a file of a known kind", hint: advice).at(path)
    }
  }
}

extension ValueType {
  /// The assumed type of an input without a declared type.
  fileprivate static let anyTensor = ValueType.tensor(TensorType(.float, nil))
}
