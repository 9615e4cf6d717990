import ArgumentParser
import Graft
import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

/// `graft benchmark`: the speed of a model on this machine.
struct BenchmarkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure the speed of a model on this machine.",
    discussion: """
      Inputs are seeded random numbers of the model's types and shapes.

      Examples:
        graft benchmark model.onnx
        graft benchmark model.onnx --shape input=16,3,224,224 --threads 2 --runs 50
        graft benchmark model.onnx --profile trace.json
        graft benchmark model.onnx --tune
      """)

  @Argument(help: "An ONNX file, Keras weights of a known architecture, or a model's name.")
  var model: String

  @Option(
    help: """
      The first extent of inputs without --shape (default: the model's, or 1 where it is \
      undefined).
      """)
  var batch: Int?

  @Option(help: "The number of measured runs.")
  var runs = 20

  @Option(help: "The number of runs before measuring.")
  var warmup = 3

  @Option(help: "NAME=1,3,224,224: the shape of an input. May be repeated.")
  var shape: [NamedShape] = []

  @Option(
    help: "Write a trace for chrome://tracing to this file, and print times by operator and node.")
  var profile: String?

  @Flag(
    help: """
      Measure the algorithms for the model's convolutions, and store the fastest in the cache \
      folder for all models on this machine.
      """)
  var tune = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var settings: RunOptions

  func validate() throws {
    guard runs > 0, batch ?? 1 > 0 else {
      throw ValidationError("--runs and --batch must be at least 1.")
    }
    guard warmup >= 0 else { throw ValidationError("--warmup must be at least 0.") }
    if let profile, FilePath.ending(of: profile) != "json" {
      throw ValidationError("--profile must name a .json file.")
    }
    guard !tune || settings.optimizes else {
      throw ValidationError("--tune has nothing to choose from with --optimize off.")
    }
    guard !tune || !settings.compute.noCache else {
      throw ValidationError(
        "--tune writes to the cache folder and cannot be combined with --no-cache.")
    }
  }

  func run() throws {
    if let profile { try AtomicFile.requireWritable(profile) }
    let start = SystemTime.monotonic
    var options = settings.executableOptions
    if tune { options.tuning = try tuned(options) }
    let found = try load(cache: settings.compute.cache, options, remark: CommandLineProgram.note)
    let executable = try withPlace(model) { try found.executable(options) }
    let session = Session(executable)
    let inputs = try inputs(of: found.graph, options)
    let loaded = SystemTime.monotonic
    var outputs = try session.run(inputs)
    let first = SystemTime.monotonic
    for _ in 0..<warmup { outputs = try session.run(inputs) }
    if profile != nil { session.profile = Profile() }
    var times: [Double] = []
    for _ in 0..<runs {
      let start = SystemTime.monotonic
      outputs = try session.run(inputs)
      times.append(Double(SystemTime.monotonic - start) / 1e6)
    }
    withExtendedLifetime(outputs) {}
    // A cache that cannot be written does not affect the measurement.
    _ = try? found.compilation?.store(executable)
    let report = BenchmarkReport(
      load: Double(loaded - start) / 1e6, firstRun: Double(first - loaded) / 1e6, times: times,
      batch: batch ?? inputs.first.flatMap { try? $0.tensor.shape.first } ?? 1)
    try print(json ? try JSONText.encode(report) : report.text)
    if let profile, let recorded = session.profile {
      if !json { try print(ProfileReport.text(recorded, runs: runs)) }
      try ProfileReport.writeTrace(recorded, path: profile)
      CommandLineProgram.noteWritten([profile])
    }
  }

  /// The model, with an unknown batch size if `--batch` or a shape requires that.
  private func load(
    cache: ModelCache?, _ options: Executable.Options, remark: @escaping (String) -> Void
  ) throws -> LoadedModel {
    func read(_ rule: BatchRule, _ remark: @escaping (String) -> Void) throws -> LoadedModel {
      try ModelLoader(remark: remark).load(model, batch: rule, cache: cache, options: options)
    }
    func fits(_ graph: Graph) -> Bool { (try? shape.byInput(of: graph)) != nil }
    guard batch == nil else { return try read(.free, remark) }
    let declared = try read(.declared, remark)
    guard !fits(declared.graph), let free = try? read(.free, { _ in }), fits(free.graph) else {
      return declared
    }
    return free
  }

  private func inputs(
    of graph: Graph, _ options: Executable.Options
  ) throws -> [RuntimeValue] {
    try BenchmarkInputs.make(
      graph, batch: batch, shapes: shape.byInput(of: graph),
      memory: MemoryBudget(limit: options.memoryLimit))
  }

  /// Measures the algorithms for the model, and stores the result.
  private func tuned(_ options: Executable.Options) throws -> TuningRecord {
    guard let file = TuningFile.standard() else {
      throw GraftError(
        .cannotCreate, "there is no cache folder for the tuning record", hint: "Set GRAFT_HOME")
    }
    try CommandEnvironment.closeFolder(FilePath.folder(of: file.path))
    try file.requireWritable()
    let graph = try load(cache: nil, options, remark: { _ in }).graph
    let executable = try withPlace(model) { try Executable(graph, options: options) }
    var tuner = Tuner(executable, inputs: try inputs(of: graph, options))
    let record = try tuner.tune { Output.writeError("measuring: \(Output.oneLine($0))\n") }
    try file.write(record)
    Output.writeError("tuning record: \(file.path)\n")
    return record
  }
}

/// The results of a benchmark. Times are in milliseconds.
struct BenchmarkReport: Encodable {
  let load, firstRun, minimum, p50, p90, p99: Double
  let imagesPerSecond, peakMegabytes: Double

  private enum CodingKeys: String, CodingKey {
    case load = "load_ms", firstRun = "first_ms", minimum = "min_ms"
    case p50 = "p50_ms", p90 = "p90_ms", p99 = "p99_ms"
    case imagesPerSecond = "images_per_second", peakMegabytes = "peak_rss_mb"
  }

  init(load: Double, firstRun: Double, times: [Double], batch: Int) {
    let sorted = times.sorted()
    func percentile(_ fraction: Double) -> Double {
      sorted[min(sorted.count - 1, Int((fraction * Double(sorted.count)).rounded(.up)) - 1)]
    }
    self.load = load
    self.firstRun = firstRun
    minimum = sorted[0]
    p50 = percentile(0.5)
    p90 = percentile(0.9)
    p99 = percentile(0.99)
    imagesPerSecond = Double(batch) * 1000 / p50
    peakMegabytes = BenchmarkReport.peakResidentMegabytes()
  }

  /// The largest resident memory of this program. `getrusage` is unsuitable: it starts with the
  /// value of the parent process.
  private static func peakResidentMegabytes() -> Double {
    guard let status = FileSystem.kernelFile("/proc/self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({
        Double($0)
      })
    else { return 0 }
    return kilobytes / 1024
  }

  var text: String {
    func format(_ value: Double) -> String { String(printf: "%.2f ms", value) }
    return Terminal.table(
      [
        ["load", format(load)], ["first run", format(firstRun)], ["minimum", format(minimum)],
        ["P50", format(p50)], ["P90", format(p90)], ["P99", format(p99)],
        ["throughput", String(printf: "%.1f images/s", imagesPerSecond)],
        ["peak memory", String(printf: "%.0f MB", peakMegabytes)],
      ], rightAligned: [1])
  }
}
