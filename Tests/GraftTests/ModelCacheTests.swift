import Foundation
import Graft
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Compiled models: cold and compiled starts give the same answers, even if files were changed.
@Suite final class ModelCacheTests: Sendable {
  private let temporaryFolder: TemporaryFolder
  private var folder: String { temporaryFolder.path }
  private var model: String { "\(folder)/model.onnx" }
  private var cache: ModelCache { ModelCache(root: "\(folder)/cache") }

  init() throws {
    temporaryFolder = try TemporaryFolder()
    try ONNXExporter().write(ModelCacheTests.graph(seed: 1), to: model)
  }

  /// Convolutions whose weights are packed, one of them after a BatchNormalization moved into it,
  /// and a product whose weights stay in the file.
  private static func graph(seed: Int) throws -> Graph {
    var graph = Graph(name: "small")
    func constant(_ name: String, _ shape: Shape, from low: Float = -0.05) throws -> ValueID {
      let values = (0..<shape.elementCount).map { index in
        low + Float((index &* 7919 &+ seed &* 104_729) % 1009) / 10_090
      }
      return graph.addConstant(name: name, try Tensor(values, shape: shape))
    }
    let pads: [ByteString: Attribute] = ["pads": .ints([1, 1, 1, 1])]
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 8, 12, 12]))
    let first = graph.addNode(
      "Conv", [x, try constant("w1", [96, 8, 3, 3]), try constant("b1", [96])], attributes: pads)
    let normalized = graph.addNode(
      "BatchNormalization",
      [
        first, try constant("scale", [96], from: 0.5), try constant("shift", [96]),
        try constant("mean", [96]), try constant("variance", [96], from: 1),
      ])
    let relu = graph.addNode("Relu", [normalized])
    let second = graph.addNode(
      "Conv", [relu, try constant("w2", [192, 96, 3, 3]), try constant("b2", [192])],
      attributes: pads)
    let third = graph.addNode(
      "BatchNormalization",
      [
        second, try constant("scale2", [192], from: 0.5), try constant("shift2", [192]),
        try constant("mean2", [192]), try constant("variance2", [192], from: 1),
      ])
    let flat = graph.addNode("Flatten", [graph.addNode("GlobalMaxPool", [third])])
    graph.outputs = [
      graph.addNode("Gemm", [flat, try constant("w3", [192, 300])], outputName: "y")
    ]
    return graph
  }

  private struct Start {
    var bits: [UInt32]
    var wasCompiled: Bool
    var didStore: Bool
  }

  /// Runs the model once, like a program.
  @discardableResult
  private func start(
    _ model: String? = nil, cache: ModelCache?, batch: Int = 1,
    options: Executable.Options = .init()
  ) throws -> Start {
    let loaded = try ModelLoader().load(model ?? self.model, cache: cache, options: options)
    let executable = try loaded.executable(options)
    let count = batch * 8 * 12 * 12
    let x = try Tensor(
      (0..<count).map { Float(($0 * 31) % 97) / 48 - 1 }, shape: [batch, 8, 12, 12])
    let y = try Session(executable).run([x])[0].elements(as: Float.self)
    let didStore = (try? loaded.compilation?.store(executable)) ?? false
    return Start(
      bits: y.map(\.bitPattern), wasCompiled: loaded.compilation?.found != nil, didStore: didStore)
  }

  private func compiledPath() throws -> String {
    try #require(cache.files().first { $0.path.hasSuffix(".model") }).path
  }

  @Test func startsGiveTheSameBits() throws {
    let plain = try start(cache: nil)
    #expect(!plain.didStore)
    let first = try start(cache: cache)
    #expect(!first.wasCompiled && first.didStore)
    #expect(first.bits == plain.bits)
    for _ in 0..<2 {
      let second = try start(cache: cache)
      #expect(second.wasCompiled && !second.didStore)
      #expect(second.bits == plain.bits)
    }
    // Other shapes find what they need, or add it.
    let batch = try start(cache: nil, batch: 3).bits
    #expect(try start(cache: cache, batch: 3).bits == batch)
    #expect(try start(cache: cache, batch: 3).bits == batch)
    #expect(try start(cache: cache).bits == plain.bits)
    #expect(!cache.files().contains { $0.path.hasSuffix(".tmp") })
  }

  @Test func damagedFilesAreMadeAnew() throws {
    let expected = try start(cache: cache).bits
    let path = try compiledPath()
    let sound = try Data(contentsOf: URL(fileURLWithPath: path))
    var damaged: [Data] = [Data(), Data(repeating: 0, count: sound.count)]
    for part in 0..<12 { damaged.append(sound.prefix(sound.count * part / 12 + part * 7)) }
    let indexStart = sound.count - 8192
    let places =
      (0..<40).map { sound.count * $0 / 40 + $0 * 13 % 64 }
      + (0..<40).map { indexStart + $0 * 203 } + (1...48).map { sound.count - $0 }
    for place in places {
      var copy = sound
      copy[place] ^= UInt8(1 << (place % 8))
      damaged.append(copy)
    }
    damaged.append(sound + Data([0]))
    for (number, data) in damaged.enumerated() {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
      #expect(try start(cache: cache).bits == expected, "damage \(number)")
    }
    try start(cache: cache)
    let again = try start(cache: cache)
    #expect(again.wasCompiled && !again.didStore && again.bits == expected)
  }

  @Test func anotherFileOfTheSameNameAndSizeIsAnotherModel() throws {
    let old = try start(cache: cache).bits
    let identity = try #require(FileIdentity(path: model))
    let successor = "\(folder)/successor.onnx"
    try ONNXExporter().write(ModelCacheTests.graph(seed: 2), to: successor)
    // In its place, and with its time.
    #expect(rename(successor, model) == 0)
    var times = [timespec(), timespec()]
    for index in 0..<2 {
      times[index].tv_sec = identity.modificationTime / 1_000_000_000
      times[index].tv_nsec = identity.modificationTime % 1_000_000_000
    }
    utimensat(AT_FDCWD, model, times, 0)
    #expect(FileIdentity(path: model)?.byteCount == identity.byteCount)
    let new = try start(cache: cache)
    #expect(!new.wasCompiled && new.bits != old)
    #expect(try start(cache: nil).bits == new.bits)
    #expect(try start(cache: cache).bits == new.bits)
  }

  @Test func changesInPlaceAreSeen() throws {
    let old = try start(cache: cache).bits
    var data = try Data(contentsOf: URL(fileURLWithPath: model))
    // Signs of weights in the middle of the file.
    for place in data.count / 2..<data.count / 2 + 4096 { data[place] ^= 0x80 }
    try data.write(to: URL(fileURLWithPath: model))
    let plain = try start(cache: nil).bits
    #expect(try start(cache: cache).bits == plain)
    #expect(try start(cache: cache).bits == plain)
    #expect(plain != old)
  }

  @Test func copiesShareACompiledModel() throws {
    let expected = try start(cache: cache).bits
    let copy = "\(folder)/copy.onnx"
    try FileManager.default.copyItem(atPath: model, toPath: copy)
    let found = try start(copy, cache: cache)
    #expect(found.wasCompiled && found.bits == expected)
  }

  @Test func externalDataBelongsToTheContent() throws {
    let path = "\(folder)/external.onnx"
    try ONNXExporter(usesExternalData: true).write(ModelCacheTests.graph(seed: 1), to: path)
    let expected = try start(path, cache: nil).bits
    #expect(try start(path, cache: cache).bits == expected)
    // Files this new are not trusted to be told from their successors by their times.
    let data = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder).first {
        $0 != "external.onnx" && $0.hasPrefix("external")
      })
    sleep(3)
    try start(path, cache: cache)
    let compiled = try start(path, cache: cache)
    #expect(compiled.wasCompiled && compiled.bits == expected)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(data)"))
    for place in stride(from: 3, to: bytes.count, by: 4) { bytes[place] ^= 0x80 }
    try bytes.write(to: URL(fileURLWithPath: "\(folder)/\(data)"))
    let changed = try start(path, cache: cache)
    #expect(!changed.wasCompiled && changed.bits != expected)
    #expect(try start(path, cache: nil).bits == changed.bits)
  }

  @Test func severalStartsAtOnceAgree() throws {
    let expected = try start(cache: nil).bits
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      results.add((try? self.start(cache: self.cache).bits) ?? [])
    }
    #expect(results.all.count == 8)
    #expect(results.all.allSatisfy { $0 == expected })
    let files = cache.files().map(\.path)
    #expect(files.count { $0.hasSuffix(".model") } == 1)
    #expect(!files.contains { $0.hasSuffix(".tmp") })
    #expect(try start(cache: cache).wasCompiled)
  }

  @Test func theOldestGoFirst() throws {
    try start(cache: cache)
    let size = try #require(FileIdentity(path: compiledPath())).byteCount
    let small = ModelCache(root: "\(folder)/cache", byteLimit: size * 5 / 2)
    for seed in 2...4 {
      let path = "\(folder)/model\(seed).onnx"
      try ONNXExporter().write(ModelCacheTests.graph(seed: seed), to: path)
      usleep(20_000)
      try start(path, cache: small)
      // Used in between: the others are older.
      usleep(20_000)
      #expect(try start(cache: small).wasCompiled)
    }
    #expect(small.files().reduce(0) { $0 + $1.byteCount } <= small.byteLimit)
    #expect(try start("\(folder)/model4.onnx", cache: small).wasCompiled)
    #expect(try !start("\(folder)/model2.onnx", cache: small).wasCompiled)
    let none = ModelCache(root: "\(folder)/other", byteLimit: 1000)
    try start(cache: none)
    #expect(!none.files().contains { $0.path.hasSuffix(".model") })
    // Models themselves are nobody's to remove.
    #expect(FileManager.default.fileExists(atPath: model))
    cache.clear()
    #expect(cache.files().isEmpty)
  }

  @Test func aFolderThatCannotBeWrittenIsNoCache() throws {
    let expected = try start(cache: nil).bits
    // There is a file in place of the folder; permissions have no effect on root.
    try Data().write(to: URL(fileURLWithPath: "\(folder)/cache"))
    let start = try start(cache: cache)
    #expect(start.bits == expected && !start.didStore && !start.wasCompiled)
  }

  @Test func filesThatOthersMayWriteAreMadeAnew() throws {
    let expected = try start(cache: cache).bits
    #expect(try start(cache: cache).wasCompiled)
    for (suffix, mode) in [(".model", 0o620), (".model", 0o602), (".content", 0o622)] {
      let path = try #require(cache.files().first { $0.path.hasSuffix(suffix) }).path
      #expect(chmod(path, mode_t(mode)) == 0)
      if suffix == ".model" {
        let again = try start(cache: cache)
        #expect(!again.wasCompiled && again.didStore && again.bits == expected)
      }
      #expect(try start(cache: cache).bits == expected)
      #expect(FileSystem.status(of: path).map { $0.st_mode & 0o777 } == 0o600)
    }
    #expect(FileSystem.status(of: cache.folder).map { $0.st_mode & 0o777 } == 0o700)
    let tuning = TuningFile(root: folder)
    var record = TuningRecord()
    record.choices["problem"] = "choice"
    try tuning.write(record)
    #expect(tuning.read() == record)
    #expect(chmod(tuning.path, 0o660) == 0)
    #expect(tuning.read() == TuningRecord())
  }

  @Test func otherFilesAreLeftAlone() throws {
    try start(cache: cache)
    let digest = String(repeating: "a", count: 32)
    let names = [
      "thesis.pdf", "\(digest).model", "\(digest).features", "1-2-3.content", "x.model",
      "model.tmp",
      "\(digest).model.1.tmp", "\(digest.uppercased()).model", "1-2.content", ".1-2.tmp",
    ]
    for name in names {
      try Data(count: 100).write(to: URL(fileURLWithPath: "\(cache.folder)/\(name)"))
    }
    let unfinished = ["model.1-2.tmp", "\(digest).features.1-2.tmp", "1-2-3.content.4-5.tmp"]
    for name in unfinished {
      try Data().write(to: URL(fileURLWithPath: "\(cache.folder)/\(name)"))
    }
    #expect(cache.entries().others == names.count)
    #expect(cache.files().count == 2 + unfinished.count)
    let small = ModelCache(root: "\(folder)/cache", byteLimit: 10)
    let path = "\(folder)/other.onnx"
    try ONNXExporter().write(ModelCacheTests.graph(seed: 3), to: path)
    try start(path, cache: small)
    #expect(cache.entries().others == names.count)
    cache.clear()
    #expect(cache.entries().files.isEmpty)
    #expect(
      Set(try FileManager.default.contentsOfDirectory(atPath: cache.folder)) == Set(names))
  }

  /// Measured choices are part of the key of a compiled model.
  @Test func tuningHasCompiledModelsOfItsOwn() throws {
    let file = TuningFile(root: folder)
    #expect(file.read() == TuningRecord())
    let plain = try start(cache: cache).bits
    let executable = try ModelLoader().load(model, cache: nil).executable()
    let x = try Tensor(zeros: .float, shape: [1, 8, 12, 12])
    let session = Session(executable)
    let profile = Profile()
    session.profile = profile
    _ = try session.run([x])
    var record = TuningRecord()
    for choice in profile.steps.compactMap(\.choice) {
      record.choices[choice.problem] = choice.candidates.first
    }
    #expect(!record.choices.isEmpty)
    try file.write(record)
    #expect(file.read() == record)
    var options = Executable.Options()
    options.tuning = file.read()
    let tuned = try start(cache: nil, options: options).bits
    let first = try start(cache: cache, options: options)
    #expect(!first.wasCompiled && first.bits == tuned)
    let second = try start(cache: cache, options: options)
    #expect(second.wasCompiled && second.bits == tuned)
    #expect(try start(cache: cache).bits == plain)
    try Data("{".utf8).write(to: URL(fileURLWithPath: file.path))
    #expect(file.read() == TuningRecord())
    // Nobody writes into this pipe: reading must not wait for it.
    try FileManager.default.removeItem(atPath: file.path)
    #expect(mkfifo(file.path, 0o600) == 0)
    #expect(file.read() == TuningRecord())
  }

  /// Another build, and other instructions, have compiled models of their own.
  @Test func filesOfAnotherKeyAreNotUsed() throws {
    let expected = try start(cache: cache).bits
    let path = try compiledPath()
    let other = "\(folder)/other.onnx"
    try ONNXExporter().write(ModelCacheTests.graph(seed: 2), to: other)
    let otherExpected = try start(other, cache: cache).bits
    let otherPath = try #require(
      cache.files().first { $0.path.hasSuffix(".model") && $0.path != path }
    ).path
    try FileManager.default.removeItem(atPath: otherPath)
    try FileManager.default.copyItem(atPath: path, toPath: otherPath)
    #expect(try start(other, cache: cache).bits == otherExpected)
    #expect(try start(cache: cache).bits == expected)
  }
}

/// Results of several threads.
private final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private var results: [[UInt32]] = []

  func add(_ result: [UInt32]) { lock.withLock { results.append(result) } }
  var all: [[UInt32]] { lock.withLock { results } }
}
