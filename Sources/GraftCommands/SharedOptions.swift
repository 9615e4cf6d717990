import ArgumentParser
import Graft
import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

/// `--threads`, `--precision`, `--max-memory`, `--max-trips` and `--no-cache`.
struct ComputeOptions: ParsableArguments {
  @Option(help: "Number of threads (default: the processors available to this process).")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      """
      fp32 (the default); exact: convolutions as direct sums, without Winograd's algorithm; or \
      bf16: large constant weights rounded to bfloat16, and their factors too where the \
      processor multiplies bfloat16.
      """,
      valueName: "fp32|exact|bf16"))
  var precision: Precision?

  @Option(
    help: "Megabytes that inputs, intermediate values and outputs may use (default: free memory).")
  var maxMemory: Int?

  @Option(
    help: "The most trips that the model's loops may make together in a run (default: 1000000).")
  var maxTrips: Int?

  @Flag(help: "Do not use or write the cache of compiled models and image features.")
  var noCache = false

  func validate() throws {
    if let threads, !(1...ThreadPool.maximumThreadCount).contains(threads) {
      throw ValidationError("--threads must be 1 to \(ThreadPool.maximumThreadCount).")
    }
    if let maxMemory, !(1...1 << 30).contains(maxMemory) {
      throw ValidationError("--max-memory must be 1 to \(1 << 30) megabytes.")
    }
    if let maxTrips, maxTrips < 1 {
      throw ValidationError("--max-trips must be at least 1.")
    }
  }

  var threadCount: Int { threads ?? ThreadPool.defaultThreadCount }

  /// The folder of compiled models; `nil` for none. Adds a note if other users could write to it.
  var cache: ModelCache? {
    get throws {
      guard !noCache, let cache = try ModelCache.standard() else { return nil }
      do {
        try CommandEnvironment.closeFolder(cache.folder)
      } catch let error as GraftError {
        CommandLineProgram.warn("\(error); nothing is cached there")
      }
      return cache
    }
  }

  /// How to compute. Warns about a tuning record that cannot be used.
  var executableOptions: Executable.Options {
    var options = Executable.Options()
    if let threads { options.threadCount = threads }
    if let precision { options.precision = precision }
    if !noCache, let record = CommandEnvironment.tuningRecord() { options.tuning = record }
    if let maxMemory { options.memoryLimit = maxMemory << 20 }
    if let maxTrips { options.tripLimit = maxTrips }
    return options
  }
}

extension Precision: ExpressibleByArgument {}

/// `--optimize`, and the options of all computations.
struct RunOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      on (the default), or off: every node as the model has it, nothing fused or folded, and \
      quantized parts in floats; slower.
      """,
      valueName: "on|off"))
  var optimize: Optimization?

  @OptionGroup var compute: ComputeOptions

  enum Optimization: String, CaseIterable, ExpressibleByArgument {
    case on
    case off
  }

  var optimizes: Bool { optimize != .off }

  var executableOptions: Executable.Options {
    var options = compute.executableOptions
    options.optimizes = optimizes
    return options
  }
}

/// A shape of an input: `NAME=1,3,224,224`.
struct NamedShape: ExpressibleByArgument {
  let name: String
  let shape: [Int]

  init?(argument: String) {
    guard let separator = argument.lastIndex(of: "=") else { return nil }
    name = String(argument[..<separator])
    let parts = argument[argument.index(after: separator)...].split(
      separator: ",", omittingEmptySubsequences: false)
    let extents = parts.compactMap { Int($0) }
    guard !name.isEmpty, extents.count == parts.count, extents.allSatisfy({ $0 >= 0 }) else {
      return nil
    }
    shape = extents
  }
}

extension [NamedShape] {
  /// The shapes by the names of a model's inputs.
  /// - Throws: `GraftError` if the model has no such input or declares another shape, or an input
  ///   is named twice
  func byInput(of graph: Graph) throws -> [ByteString: Shape] {
    let names = graph.inputs.map { graph[$0].name }
    var shapes: [ByteString: Shape] = [:]
    for given in self {
      guard let position = names.firstIndex(where: { ByteString($0) == ByteString(given.name) })
      else {
        throw GraftError.usage(
          "the model has no input '\(given.name)'",
          hint: nearestNamesHint(given.name, among: names) ?? "The inputs are \(names.listed())")
      }
      try withPlace("input '\(given.name)'") {
        guard shapes.updateValue(given.shape, forKey: ByteString(given.name)) == nil else {
          throw GraftError.usage("--shape is given twice")
        }
        guard let declared = graph[graph.inputs[position]].type else { return }
        guard let tensor = declared.tensor, tensor.accepts(tensor.elementType, given.shape) else {
          throw GraftError.usage("the shape is \(given.shape); the model declares \(declared)")
        }
      }
    }
    return shapes
  }
}
